//! Names of exported functions: what each form stands for, and what is refused.

use wasmtime::component::{Linker, ResourceAny, ResourceType, Val};
use wasmtime::{Engine, Store};

use super::{Action, Exports, MAX_EXPORTS, MAX_NAME_BYTES, NameError, Target};
use crate::value::tests::component;
use crate::value::{HandleError, Handles, Ownership, Value, from_val, to_val};

const SHOP: &str = include_str!("shop.wat");

fn shop() -> Exports {
    Exports::of(&component(SHOP)).unwrap()
}

/// The full name of what `name` stands for.
fn full(name: &str) -> String {
    let shop = shop();
    match shop.resolve(name) {
        Ok(target) => shop.name_of(&target).into_owned(),
        Err(error) => panic!("{error}"),
    }
}

fn refusal(name: &str) -> NameError {
    shop().resolve(name).unwrap_err()
}

#[test]
fn all_functions_are_listed_with_their_types() {
    let signature = |signature: super::Signature| {
        let parameters: Vec<String> =
            signature.parameters.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        let result = signature.result.map(|ty| format!(" -> {ty}")).unwrap_or_default();
        format!("{}({}){result}", signature.function, parameters.join(", "))
    };
    let mut signatures: Vec<String> = shop().signatures().into_iter().map(signature).collect();
    signatures.sort();
    assert_eq!(
        signatures,
        [
            "local.{run}()",
            "open()",
            "ping() -> u32",
            "shop:store/api@1.0.0.{[constructor]cart}(name: string) -> cart",
            "shop:store/api@1.0.0.{[drop]cart}(self: cart)",
            "shop:store/api@1.0.0.{[method]cart.add-item}(self: borrow<cart>, count: u32) -> u32",
            "shop:store/api@1.0.0.{[static]cart.merge}() -> u32",
            "shop:store/api@1.0.0.{[static]cart.new}() -> u32",
            "shop:store/api@1.0.0.{check-out}()",
            "shop:store/api@1.0.0.{open}()",
            "shop:store/audit@1.0.0.{open}()",
            "wasi:cli/run@0.2.0.{run}()",
            "wasi:cli/run@0.3.0.{run}()",
        ]
    );
}

#[test]
fn full_names_are_canonical() {
    for signature in shop().signatures() {
        assert_eq!(full(&signature.function), signature.function);
    }
    for name in [
        "shop:store/api@1.0.0.{cart(\"a\").add-item}",
        "shop:store/api@1.0.0.{cart(\"a).{}\").new}",
        "shop:store/api@1.0.0.{cart(\"\").drop}",
    ] {
        assert_eq!(full(name), name);
    }
}

#[test]
fn what_is_unambiguous_may_be_left_out() {
    let check_out = "shop:store/api@1.0.0.{check-out}";
    for name in ["check-out", "api.{check-out}", "shop:store/api.{check-out}"] {
        assert_eq!(full(name), check_out);
    }
    let constructor = "shop:store/api@1.0.0.{[constructor]cart}";
    for name in ["cart.new", "[constructor]cart", "api.{cart.new}", "shop:store/api.{cart.new}"] {
        assert_eq!(full(name), constructor);
    }
    let method = "shop:store/api@1.0.0.{[method]cart.add-item}";
    for name in ["cart.add-item", "[method]cart.add-item", "api.{[method]cart.add-item}"] {
        assert_eq!(full(name), method);
    }
    let drop = "shop:store/api@1.0.0.{[drop]cart}";
    for name in ["cart.drop", "[drop]cart", "shop:store/api.{cart.drop}"] {
        assert_eq!(full(name), drop);
    }
    let indexed = "shop:store/api@1.0.0.{cart(\"a\").add-item}";
    for name in ["cart(\"a\").add-item", "api.{cart( \"a\" , ).add-item}"] {
        assert_eq!(full(name), indexed);
    }
}

#[test]
fn a_full_name_wins_over_shorter_forms() {
    assert_eq!(full("open"), "open");
    assert_eq!(full("local.{run}"), "local.{run}");
    assert_eq!(full("[static]cart.new"), "shop:store/api@1.0.0.{[static]cart.new}");
}

#[test]
fn an_ambiguous_name_lists_what_it_may_mean() {
    let NameError::Ambiguous { candidates, .. } = refusal("run") else { panic!("run is three") };
    assert_eq!(candidates.len(), 3);
    let NameError::Ambiguous { candidates, .. } = refusal("wasi:cli/run.{run}") else {
        panic!("there are two versions")
    };
    assert_eq!(candidates, ["wasi:cli/run@0.2.0.{run}", "wasi:cli/run@0.3.0.{run}"]);
}

#[test]
fn an_unknown_name_lists_near_ones() {
    let near = |name: &str| match refusal(name) {
        NameError::Unknown { near, .. } => near,
        other => panic!("{other}"),
    };
    assert_eq!(near("checkout"), ["shop:store/api@1.0.0.{check-out}"]);
    assert_eq!(near("api.{Check_Out}"), ["shop:store/api@1.0.0.{check-out}"]);
    assert_eq!(near("cart.add-itm"), ["shop:store/api@1.0.0.{[method]cart.add-item}"]);
    assert_eq!(near("cart(\"a\").add-items"), ["shop:store/api@1.0.0.{[method]cart.add-item}"]);
    assert_eq!(near("completely-different"), [""; 0]);
    assert_eq!(near("other:store/api.{check-out}"), ["shop:store/api@1.0.0.{check-out}"]);
    assert_eq!(near(""), [""; 0]);
    assert_eq!(near(&"x".repeat(MAX_NAME_BYTES)), [""; 0]);
}

#[test]
fn indexed_names_are_checked() {
    for name in ["cart(", "cart(\"a\"", "cart(\"a\")", "api.{cart(\"a\").new", "cart(\"a\")new"] {
        assert!(matches!(refusal(name), NameError::Syntax { .. }), "{name}");
    }
    for name in ["cart().new", "cart(5).new", "cart(\"a\", 5).new", "cart(\"a\"x).new"] {
        assert!(matches!(refusal(name), NameError::Arguments { .. }), "{name}");
    }
    // A static is not a method of one cart, and what only uses the resource does not make it.
    for name in ["cart(\"a\").merge", "audit.{cart(\"a\").new}", "basket(\"a\").new"] {
        assert!(matches!(refusal(name), NameError::Unknown { .. }), "{name}");
    }
    let long = format!("cart(\"{}\").new", "a".repeat(MAX_NAME_BYTES));
    assert!(matches!(refusal(&long), NameError::Syntax { .. }));
    assert!(matches!(refusal(&"(".repeat(MAX_NAME_BYTES)), NameError::Syntax { .. }));
}

#[test]
fn an_indexed_name_says_what_to_do() {
    let shop = shop();
    let Ok(Target::Indexed(indexed)) = shop.resolve("cart(\"a\\n\").add-item") else {
        panic!("it is indexed")
    };
    assert_eq!(indexed.arguments, [Value::String("a\n".to_owned())]);
    assert_eq!(indexed.key, r#""a\n""#);
    assert!(matches!(indexed.action, Action::Method(_)));
    let target = Target::Indexed(indexed);
    let parameters: Vec<&str> =
        shop.parameters_of(&target).iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(parameters, ["count"]);
    assert!(shop.result_of(&target).is_some());
}

#[test]
fn the_number_of_exports_is_limited() {
    let exports: String =
        (0..=MAX_EXPORTS).map(|number| format!("(export \"f{number}\" (func $f))")).collect();
    let text = format!(
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) \
         (func $f (canon lift (core func $i \"f\"))) {exports})"
    );
    assert!(Exports::of(&component(&text)).is_err());
}

/// A table of one cart.
struct OneCart<'exports> {
    exports: &'exports Exports,
    held: Option<ResourceAny>,
}

impl Handles for OneCart<'_> {
    fn lift(&mut self, resource: ResourceAny, ty: &ResourceType) -> Result<u64, HandleError> {
        assert!(self.exports.resource_of(ty).is_some(), "the type is the component's own");
        self.held = Some(resource);
        Ok(1)
    }

    fn lower(
        &mut self,
        id: u64,
        ty: &ResourceType,
        ownership: Ownership,
    ) -> Result<ResourceAny, HandleError> {
        assert!(self.exports.resource_of(ty).is_some(), "the type is the component's own");
        let held = if ownership == Ownership::Own { self.held.take() } else { self.held };
        held.filter(|_| id == 1).ok_or(HandleError::Unknown { id })
    }
}

/// Makes a cart, adds to it and gives it away, with nothing but what [`Exports`] tells.
#[test]
fn functions_are_found_in_an_instance_and_handles_pass() {
    let component = component(SHOP);
    let exports = Exports::of(&component).unwrap();
    let engine: &Engine = component.engine();
    let mut store = Store::new(engine, ());
    let instance = Linker::<()>::new(engine).instantiate(&mut store, &component).unwrap();
    let mut carts = OneCart { exports: &exports, held: None };

    let mut call = |name: &str, arguments: &[Value], carts: &mut OneCart<'_>| {
        let Target::Function(id) = exports.resolve(name).unwrap() else { panic!("{name}") };
        let function = exports.function(id);
        let vals: Vec<Val> = function
            .parameters
            .iter()
            .zip(arguments)
            .map(|((_, ty), argument)| to_val(argument, ty, carts).unwrap())
            .collect();
        let mut results = vec![Val::Bool(false); usize::from(function.result.is_some())];
        let callee = instance.get_func(&mut store, function.index).unwrap();
        callee.call(&mut store, &vals, &mut results).unwrap();
        from_val(results.remove(0), function.result.as_ref().unwrap(), carts).unwrap()
    };

    let cart = call("cart.new", &[Value::String("four".to_owned())], &mut carts);
    assert_eq!(cart, Value::Handle(1));
    let arguments = [cart.clone(), Value::U32(38)];
    assert_eq!(call("cart.add-item", &arguments, &mut carts), Value::U32(42));

    let drop = exports.resolve("cart.drop").unwrap();
    let own = &exports.parameters_of(&drop)[0].1;
    assert!(to_val(&cart, own, &mut carts).is_ok());
    let gone = to_val(&cart, own, &mut carts).unwrap_err();
    assert!(gone.to_string().contains("holds no resource 1"), "{gone}");
}
