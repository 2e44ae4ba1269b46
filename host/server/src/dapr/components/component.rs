//! A component as its file says it.

use super::yaml::{Form, Node, YamlError};

/// What a file says of one component.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) line: usize,
    pub(super) name: (String, usize),
    pub(super) namespace: Option<String>,
    /// As in `state.redis`.
    pub(super) kind: (String, usize),
    pub(super) metadata: Vec<Datum>,
    /// The applications that may use it; all, if there are none.
    pub(super) scopes: Vec<String>,
}

/// One member of `spec.metadata`.
#[derive(Debug)]
pub(super) struct Datum {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// Looks up secrets, by the name of an environment variable.
pub(super) type Secrets<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Component {
    pub(super) fn read(document: &Node, secrets: Secrets<'_>) -> Result<Self, YamlError> {
        let names = ["apiVersion", "kind", "metadata", "spec", "scopes", "auth"];
        let top = Members::of(document, "", &names)?;
        top.expect("apiVersion", "dapr.io/v1alpha1")?;
        top.expect("kind", "Component")?;
        if let Some(auth) = top.find("auth") {
            let problem = "auth: secrets come from the environment here, so leave `auth` out";
            return Err(YamlError::new(auth.line, problem));
        }
        let known = ["name", "namespace", "labels", "annotations"];
        let about = Members::of(top.need("metadata")?, "metadata", &known)?;
        let known = ["type", "version", "metadata", "ignoreErrors", "initTimeout"];
        let spec = Members::of(top.need("spec")?, "spec", &known)?;
        spec.expect("version", "v1")?;
        let metadata = match spec.find("metadata").map(|node| (node, &node.form)) {
            None | Some((_, Form::Null)) => Vec::new(),
            Some((_, Form::List(all))) => {
                all.iter().map(|one| Datum::read(one, secrets)).collect::<Result<_, _>>()?
            }
            Some((node, _)) => {
                return Err(YamlError::new(node.line, "spec.metadata: a list was expected"));
            }
        };
        Ok(Self {
            line: document.line,
            name: about.text("name")?,
            namespace: match about.find("namespace") {
                Some(_) => Some(about.text("namespace")?.0),
                None => None,
            },
            kind: spec.text("type")?,
            metadata,
            scopes: scopes(&top)?,
        })
    }
}

impl Datum {
    fn read(node: &Node, secrets: Secrets<'_>) -> Result<Self, YamlError> {
        let known = ["name", "value", "secretKeyRef", "envRef"];
        let members = Members::of(node, "spec.metadata", &known)?;
        let (name, line) = members.text("name")?;
        let field = format!("spec.metadata.{name}");
        let secret = |variable: &str, line| {
            secrets(variable).ok_or_else(|| {
                let problem = format!("{field}: the environment variable `{variable}` is not set");
                YamlError::new(line, problem)
            })
        };
        let sources = ["value", "secretKeyRef", "envRef"];
        let given: Vec<&str> =
            sources.into_iter().filter(|source| members.find(source).is_some()).collect();
        let value = match given.as_slice() {
            ["value"] => match &members.need("value")?.form {
                Form::Null => String::new(),
                _ => members.text("value")?.0,
            },
            ["envRef"] => {
                let (variable, line) = members.text("envRef")?;
                secret(&variable, line)?
            }
            ["secretKeyRef"] => {
                let place = members.need("secretKeyRef")?;
                let reference = Members::of(place, "secretKeyRef", &["name", "key"])?;
                // As in the secret store of the environment, where both say the same.
                let which = if reference.find("key").is_some() { "key" } else { "name" };
                let (variable, line) = reference.text(which)?;
                secret(&variable, line)?
            }
            _ => {
                let problem = format!("{field}: one of value, secretKeyRef and envRef is needed");
                return Err(YamlError::new(line, problem));
            }
        };
        Ok(Self { line, name, value })
    }
}

fn scopes(top: &Members<'_>) -> Result<Vec<String>, YamlError> {
    let wrong = |line| YamlError::new(line, "scopes: a list of names was expected");
    match top.find("scopes").map(|node| (node.line, &node.form)) {
        None | Some((_, Form::Null)) => Ok(Vec::new()),
        Some((_, Form::List(all))) => {
            let text = |node: &Node| match &node.form {
                Form::Text(text) => Ok(text.clone()),
                _ => Err(wrong(node.line)),
            };
            all.iter().map(text).collect()
        }
        Some((line, _)) => Err(wrong(line)),
    }
}

/// The members of a map of which all names are known.
struct Members<'a> {
    line: usize,
    /// What stands before the names in messages.
    place: &'a str,
    members: &'a [(String, Node)],
}

impl<'a> Members<'a> {
    fn of(node: &'a Node, place: &'a str, known: &[&str]) -> Result<Self, YamlError> {
        let Form::Map(members) = &node.form else {
            let place = if place.is_empty() { "the document" } else { place };
            return Err(YamlError::new(node.line, format!("{place}: a map was expected")));
        };
        let line = node.line;
        let all = Self { line, place, members };
        match members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(all),
            Some((name, value)) => {
                let problem = format!(
                    "{}: there is no such field; there are {}",
                    all.field(name),
                    known.join(", ")
                );
                Err(YamlError::new(value.line, problem))
            }
        }
    }

    fn field(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    fn find(&self, name: &str) -> Option<&'a Node> {
        self.members.iter().find(|(found, _)| found == name).map(|(_, node)| node)
    }

    fn need(&self, name: &str) -> Result<&'a Node, YamlError> {
        self.find(name).ok_or_else(|| {
            YamlError::new(self.line, format!("{}: it is missing", self.field(name)))
        })
    }

    fn text(&self, name: &str) -> Result<(String, usize), YamlError> {
        let node = self.need(name)?;
        match &node.form {
            Form::Text(text) => Ok((text.clone(), node.line)),
            _ => {
                let problem = format!("{}: a text was expected", self.field(name));
                Err(YamlError::new(node.line, problem))
            }
        }
    }

    fn expect(&self, name: &str, wanted: &str) -> Result<(), YamlError> {
        let (found, line) = self.text(name)?;
        if found == wanted {
            return Ok(());
        }
        let problem = format!("{}: it must be {wanted}, it is {found}", self.field(name));
        Err(YamlError::new(line, problem))
    }
}
