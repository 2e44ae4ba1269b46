//! Types as WIT text, for metadata and messages.

use wasmtime::component::ResourceType;
use wasmtime::component::types::Type;

/// `ty` as WIT, such as `list<u8>` or `record { name: string }`.
///
/// A component's binary keeps no names of its types but those of resources, which
/// [`type_text_with`] can be told; here they are just `resource`.
pub fn type_text(ty: &Type) -> String {
    type_text_with(ty, &|_| None)
}

/// [`type_text`], with `resource_name` asked for the name of each resource.
pub fn type_text_with<'names>(
    ty: &Type,
    resource_name: &dyn Fn(&ResourceType) -> Option<&'names str>,
) -> String {
    let mut text = Text { out: String::new(), resource_name };
    text.write(ty);
    text.out
}

struct Text<'call, 'names> {
    out: String,
    resource_name: &'call dyn Fn(&ResourceType) -> Option<&'names str>,
}

impl Text<'_, '_> {
    fn write(&mut self, ty: &Type) {
        match ty {
            Type::Bool => self.word("bool"),
            Type::S8 => self.word("s8"),
            Type::U8 => self.word("u8"),
            Type::S16 => self.word("s16"),
            Type::U16 => self.word("u16"),
            Type::S32 => self.word("s32"),
            Type::U32 => self.word("u32"),
            Type::S64 => self.word("s64"),
            Type::U64 => self.word("u64"),
            Type::Float32 => self.word("f32"),
            Type::Float64 => self.word("f64"),
            Type::Char => self.word("char"),
            Type::String => self.word("string"),
            Type::ErrorContext => self.word("error-context"),
            Type::List(list) => self.generic("list", [Some(list.ty())]),
            Type::FixedLengthList(list) => {
                self.word("list<");
                self.write(&list.ty());
                self.word(&format!(", {}>", list.len()));
            }
            Type::Map(map) => self.generic("map", [Some(map.key()), Some(map.value())]),
            Type::Tuple(tuple) => self.generic("tuple", tuple.types().map(Some)),
            Type::Option(option) => self.generic("option", [Some(option.ty())]),
            Type::Result(result) => self.result(result.ok(), result.err()),
            Type::Future(future) => self.generic("future", [future.ty()]),
            Type::Stream(stream) => self.generic("stream", [stream.ty()]),
            Type::Enum(cases) => self.block("enum", cases.names(), |text, name| text.word(name)),
            Type::Flags(flags) => self.block("flags", flags.names(), |text, name| text.word(name)),
            Type::Record(record) => self.block("record", record.fields(), |text, field| {
                text.word(field.name);
                text.word(": ");
                text.write(&field.ty);
            }),
            Type::Variant(variant) => self.block("variant", variant.cases(), |text, case| {
                text.word(case.name);
                if let Some(payload) = &case.ty {
                    text.word("(");
                    text.write(payload);
                    text.word(")");
                }
            }),
            Type::Own(resource) => self.resource(resource),
            Type::Borrow(resource) => {
                self.word("borrow<");
                self.resource(resource);
                self.word(">");
            }
        }
    }

    fn word(&mut self, word: &str) {
        self.out.push_str(word);
    }

    fn resource(&mut self, resource: &ResourceType) {
        self.word((self.resource_name)(resource).unwrap_or("resource"));
    }

    /// `name<first, second>`, without the brackets where there is nothing to say.
    fn generic(&mut self, name: &str, arguments: impl IntoIterator<Item = Option<Type>>) {
        self.word(name);
        let mut open = false;
        for argument in arguments.into_iter().flatten() {
            self.word(if open { ", " } else { "<" });
            open = true;
            self.write(&argument);
        }
        if open {
            self.word(">");
        }
    }

    fn result(&mut self, ok: Option<Type>, err: Option<Type>) {
        match (ok, err) {
            (None, Some(err)) => {
                self.word("result<_, ");
                self.write(&err);
                self.word(">");
            }
            (ok, err) => self.generic("result", [ok, err]),
        }
    }

    fn block<T>(
        &mut self,
        keyword: &str,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.word(keyword);
        self.word(" { ");
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.word(", ");
            }
            write(self, item);
        }
        self.word(" }");
    }
}
