//! Random types, with their text and with random values of them.

use everlog_runtime::value::Value;
use proptest::prelude::*;

/// A type, to be made a component of and to draw values of.
#[derive(Clone, Debug)]
pub(super) enum Model {
    /// A type without parts, by its keyword.
    Plain(&'static str),
    Bytes,
    List(Box<Model>),
    Option(Box<Model>),
    Tuple(Vec<Model>),
    Record(Vec<Model>),
    Variant(Vec<Option<Model>>),
    Enum(usize),
    Flags(usize),
    Result(Option<Box<Model>>, Option<Box<Model>>),
}

const PLAIN: [&str; 13] = [
    "bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "float32", "float64", "char",
    "string",
];

/// Names that are words of WAVE or of JSON among them.
const NAMES: [&str; 6] = ["none", "item-name", "true", "b2", "ok", "some"];

pub(super) fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        8 => prop::sample::select(&PLAIN[..]).prop_map(Model::Plain),
        1 => Just(Model::Bytes),
        1 => (1..=NAMES.len()).prop_map(Model::Enum),
        1 => (1..=NAMES.len()).prop_map(Model::Flags),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let several = || prop::collection::vec(inner.clone(), 1..=4);
        let cases = prop::collection::vec(prop::option::of(inner.clone()), 1..=4);
        prop_oneof![
            boxed().prop_map(list),
            boxed().prop_map(Model::Option),
            several().prop_map(Model::Tuple),
            several().prop_map(Model::Record),
            cases.prop_map(Model::Variant),
            (prop::option::of(boxed()), prop::option::of(boxed()))
                .prop_map(|(ok, err)| Model::Result(ok, err)),
        ]
    })
}

fn list(element: Box<Model>) -> Model {
    match *element {
        Model::Plain("u8") => Model::Bytes,
        _ => Model::List(element),
    }
}

impl Model {
    /// Definitions of a component that exports the type as `t`.
    pub(super) fn definitions(&self) -> String {
        let mut text = Definitions::default();
        let root = text.reference(self);
        match self {
            Self::Plain(_) => format!("(type $t {root}) (export \"t\" (type $t))"),
            _ => text.out + &format!("(export \"t\" (type {root}))"),
        }
    }

    pub(super) fn value(&self) -> BoxedStrategy<Value> {
        let payload = |model: &Option<Box<Model>>| match model {
            Some(model) => model.value().prop_map(|value| Some(Box::new(value))).boxed(),
            None => Just(None).boxed(),
        };
        match self {
            Self::Plain(keyword) => plain_value(keyword),
            Self::Bytes => any::<Vec<u8>>().prop_map(Value::Bytes).boxed(),
            Self::List(element) => {
                prop::collection::vec(element.value(), 0..4).prop_map(Value::List).boxed()
            }
            Self::Option(some) => {
                let some = some.value().prop_map(|value| Value::Option(Some(Box::new(value))));
                prop_oneof![Just(Value::Option(None)), some].boxed()
            }
            Self::Tuple(elements) => {
                let elements: Vec<_> = elements.iter().map(Self::value).collect();
                elements.prop_map(Value::Tuple).boxed()
            }
            Self::Record(fields) => {
                let fields: Vec<_> = fields.iter().map(Self::value).collect();
                let named = |values: Vec<Value>| NAMES.map(str::to_owned).into_iter().zip(values);
                fields.prop_map(move |values| Value::Record(named(values).collect())).boxed()
            }
            Self::Variant(cases) => {
                let cases: Vec<_> = cases
                    .iter()
                    .zip(NAMES)
                    .map(|(model, name)| {
                        let payload = payload(&model.clone().map(Box::new));
                        payload.prop_map(move |value| Value::Variant(name.to_owned(), value))
                    })
                    .collect();
                proptest::strategy::Union::new(cases).boxed()
            }
            Self::Enum(count) => prop::sample::select(&NAMES[..*count])
                .prop_map(|name| Value::Enum(name.to_owned()))
                .boxed(),
            Self::Flags(count) => prop::sample::subsequence(NAMES[..*count].to_vec(), 0..=*count)
                .prop_map(|names| Value::Flags(names.into_iter().map(str::to_owned).collect()))
                .boxed(),
            Self::Result(ok, err) => prop_oneof![
                payload(ok).prop_map(|value| Value::Result(Ok(value))),
                payload(err).prop_map(|value| Value::Result(Err(value))),
            ]
            .boxed(),
        }
    }
}

fn plain_value(keyword: &str) -> BoxedStrategy<Value> {
    match keyword {
        "bool" => any::<bool>().prop_map(Value::Bool).boxed(),
        "s8" => any::<i8>().prop_map(Value::S8).boxed(),
        "u8" => any::<u8>().prop_map(Value::U8).boxed(),
        "s16" => any::<i16>().prop_map(Value::S16).boxed(),
        "u16" => any::<u16>().prop_map(Value::U16).boxed(),
        "s32" => any::<i32>().prop_map(Value::S32).boxed(),
        "u32" => any::<u32>().prop_map(Value::U32).boxed(),
        "s64" => any::<i64>().prop_map(Value::S64).boxed(),
        "u64" => any::<u64>().prop_map(Value::U64).boxed(),
        // From bits, so that every float is drawn, NaN and the smallest ones among them.
        "float32" => {
            any::<u32>().prop_map(|bits| Value::Float32(f32::from_bits(bits).into())).boxed()
        }
        "float64" => {
            any::<u64>().prop_map(|bits| Value::Float64(f64::from_bits(bits).into())).boxed()
        }
        "char" => any::<char>().prop_map(Value::Char).boxed(),
        _ => any::<String>().prop_map(Value::String).boxed(),
    }
}

/// Component text under construction. Each type with parts is exported, as validation asks.
#[derive(Default)]
struct Definitions {
    out: String,
    count: usize,
}

impl Definitions {
    /// How to refer to the type, after the definitions that it needs.
    fn reference(&mut self, model: &Model) -> String {
        let body = match model {
            Model::Plain(keyword) => return (*keyword).to_owned(),
            Model::Bytes => "(list u8)".to_owned(),
            Model::List(element) => format!("(list {})", self.reference(element)),
            Model::Option(some) => format!("(option {})", self.reference(some)),
            Model::Tuple(elements) => {
                let elements: Vec<_> = elements.iter().map(|part| self.reference(part)).collect();
                format!("(tuple {})", elements.join(" "))
            }
            Model::Record(fields) => {
                let field = |(name, field): (&str, &Model)| {
                    format!("(field \"{name}\" {})", self.reference(field))
                };
                format!("(record {})", NAMES.into_iter().zip(fields).map(field).collect::<String>())
            }
            Model::Variant(cases) => {
                let case = |(name, payload): (&str, &Option<Model>)| {
                    let payload = payload.as_ref().map(|payload| self.reference(payload));
                    format!("(case \"{name}\" {})", payload.unwrap_or_default())
                };
                format!("(variant {})", NAMES.into_iter().zip(cases).map(case).collect::<String>())
            }
            Model::Enum(count) => format!("(enum \"{}\")", NAMES[..*count].join("\" \"")),
            Model::Flags(count) => format!("(flags \"{}\")", NAMES[..*count].join("\" \"")),
            Model::Result(ok, err) => {
                let ok = ok.as_ref().map(|ok| self.reference(ok)).unwrap_or_default();
                let err = err.as_ref().map(|err| format!("(error {})", self.reference(err)));
                format!("(result {ok} {})", err.unwrap_or_default())
            }
        };
        let number = self.count;
        self.count += 1;
        self.out += &format!(
            "(type $d{number} {body}) (export $n{number} \"n{number}\" (type $d{number}))"
        );
        format!("$n{number}")
    }
}
