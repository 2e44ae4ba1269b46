//! Reads JSON and keeps the text of each value: what was sent is what is stored, to the last digit.

use std::borrow::Cow;

/// How deep values may nest.
const MAX_DEPTH: usize = 128;

/// A value as it stands in a text.
#[derive(Clone, Debug)]
pub(super) struct Json<'a> {
    /// Its text.
    pub(super) text: &'a str,
    pub(super) form: Form<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum Form<'a> {
    Null,
    Bool,
    Number,
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// In the order of the text; a name may stand twice.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// What is wrong with a text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: {problem}")]
pub(super) struct JsonError {
    position: usize,
    problem: &'static str,
}

impl<'a> Json<'a> {
    /// The first value of `text`; what follows it is not looked at.
    ///
    /// # Errors
    /// [`JsonError`] where it stops being JSON.
    pub(super) fn read(text: &'a str) -> Result<Self, JsonError> {
        let mut reader = Reader { text, position: 0 };
        reader.skip_blanks();
        reader.value(MAX_DEPTH)
    }

    /// What it is called in messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.form {
            Form::Null => "null",
            Form::Bool => "a boolean",
            Form::Number => "a number",
            Form::Text(_) => "a string",
            Form::List(_) => "an array",
            Form::Object(_) => "an object",
        }
    }

    /// The value of a member; of several of one name the last, and none if it is not an object.
    pub(super) fn member(&self, name: &str) -> Option<&Json<'a>> {
        match &self.form {
            Form::Object(members) => {
                members.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        let start = self.position;
        let form = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Form::Text(self.string()?),
            Some(b't') => self.word("true", Form::Bool)?,
            Some(b'f') => self.word("false", Form::Bool)?,
            Some(b'n') => self.word("null", Form::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return Err(self.wrong("a value was expected")),
            None => return Err(self.wrong("the text ends where a value was expected")),
        };
        Ok(Json { text: &self.text[start..self.position], form })
    }

    fn object(&mut self, depth: usize) -> Result<Form<'a>, JsonError> {
        let depth = self.deeper(depth)?;
        let mut members = Vec::new();
        self.position += 1;
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Form::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("the name of a member was expected"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if !self.take(b':') {
                return Err(self.wrong("`:` was expected"));
            }
            self.skip_blanks();
            members.push((name, self.value(depth)?));
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Form::Object(members));
            }
            self.comma()?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Form<'a>, JsonError> {
        let depth = self.deeper(depth)?;
        let mut elements = Vec::new();
        self.position += 1;
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Form::List(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Form::List(elements));
            }
            self.comma()?;
        }
    }

    fn comma(&mut self) -> Result<(), JsonError> {
        if !self.take(b',') {
            return Err(self.wrong("`,` or the end of the array or object was expected"));
        }
        self.skip_blanks();
        Ok(())
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = self.position;
        self.position += 1;
        let mut is_plain = true;
        loop {
            match self.peek() {
                None => return Err(self.wrong("the text ends within a string")),
                Some(b'"') => break,
                Some(0..0x20) => return Err(self.wrong("a control character in a string")),
                Some(b'\\') => {
                    is_plain = false;
                    self.position += 2;
                }
                Some(_) => self.position += 1,
            }
        }
        self.position += 1;
        // An escape may have led past the end, or into the middle of a character.
        let Some(text) = self.text.get(start..self.position) else {
            self.position = start;
            return Err(self.wrong("an escape that is none"));
        };
        if is_plain {
            return Ok(Cow::Borrowed(&text[1..text.len() - 1]));
        }
        match serde_json::from_str::<String>(text) {
            Ok(unescaped) => Ok(Cow::Owned(unescaped)),
            Err(_) => {
                self.position = start;
                Err(self.wrong("an escape that is none"))
            }
        }
    }

    fn number(&mut self) -> Result<Form<'a>, JsonError> {
        self.take(b'-');
        if self.take(b'0') {
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.wrong("a number with a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(Form::Number)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.position;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        if self.position == start { Err(self.wrong("a digit was expected")) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, form: Form<'a>) -> Result<Form<'a>, JsonError> {
        if !self.text.as_bytes()[self.position..].starts_with(word.as_bytes()) {
            return Err(self.wrong("a value was expected"));
        }
        self.position += word.len();
        Ok(form)
    }

    fn deeper(&self, depth: usize) -> Result<usize, JsonError> {
        depth.checked_sub(1).ok_or_else(|| self.wrong("values nest too deep"))
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn wrong(&self, problem: &'static str) -> JsonError {
        JsonError { position: self.position.min(self.text.len()), problem }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_of_each_value_is_kept() {
        let text = r#" [ {"a" : 1.000000000000000000001, "b":[ "x\u00e9" ,null] }, true ] tail"#;
        let json = Json::read(text).expect("JSON");
        let Form::List(elements) = &json.form else { panic!("a list") };
        let text = |name| elements[0].member(name).expect("a member").text;
        assert_eq!(text("a"), "1.000000000000000000001");
        assert_eq!(text("b"), r#"[ "x\u00e9" ,null]"#);
        assert_eq!(elements[1].text, "true");
        let Form::List(inner) = &elements[0].member("b").expect("a member").form else {
            panic!("a list")
        };
        assert!(matches!(&inner[0].form, Form::Text(text) if text == "xé"));
    }

    #[test]
    fn what_is_no_json_is_refused_at_its_place() {
        for bad in
            ["", "  ", "[1,]", "{\"a\":}", "{\"a\" 1}", "01", "-", "1.", "1e", "tru", "foobar"]
        {
            assert!(Json::read(bad).is_err(), "{bad}");
        }
        for bad in ["\"", "\"\\", "\"\\\"", "\"\\x\"", "\"\\ud800\"", "\"\n\"", "\"\\é\"", "{1:2}"]
        {
            assert!(Json::read(bad).is_err(), "{bad}");
        }
        let error = Json::read("[1, x]").expect_err("no JSON");
        assert_eq!(error.to_string(), "at byte 4: a value was expected");
        assert!(Json::read(&"[".repeat(MAX_DEPTH + 1)).is_err());
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(Json::read(&deep).is_ok());
    }

    proptest! {
        /// It takes what serde_json takes, but for text behind the value.
        #[test]
        fn it_agrees_with_serde_json(text in "[\\[\\]{}\",:0-9a-z\\\\ .eE+-]{0,24}") {
            let ours = Json::read(&text).ok().map(|json| json.text);
            let mut theirs = serde_json::Deserializer::from_str(&text)
                .into_iter::<serde_json::Value>();
            match theirs.next() {
                // Numbers beyond every double are JSON for us.
                Some(Ok(_)) => prop_assert!(ours.is_some(), "{text}"),
                Some(Err(error)) if error.to_string().contains("out of range") => {}
                _ if ours.is_some_and(|ours| serde_json::from_str::<serde_json::Value>(ours).is_ok()) => {}
                _ => prop_assert!(ours.is_none(), "{text}"),
            }
        }

        #[test]
        fn it_never_panics(text in ".*") {
            drop(Json::read(&text));
        }
    }
}
