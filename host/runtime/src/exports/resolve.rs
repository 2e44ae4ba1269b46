//! From the name that a caller wrote to what it stands for.

use super::names::Callable;
use super::near::near_names;
use super::{
    Action, Exports, FunctionId, FunctionKind, HTTP_HANDLER, Indexed, MAX_NAME_BYTES, ResourceId,
    Target,
};
use crate::value::{HandleUrns, ValueError, wave};

/// A name that stands for nothing, or for more than one thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No such function.
    #[error("the component exports no function {name:?}{}", did_you_mean(near))]
    Unknown {
        /// What the caller wrote.
        name: String,
        /// Full names of functions that are called nearly so, nearest first; may be empty.
        near: Vec<String>,
    },
    /// Several functions; the caller has to name the interface or the version.
    #[error("{name:?} may mean {}; write one of them", candidates.join(" or "))]
    Ambiguous {
        /// What the caller wrote.
        name: String,
        /// The full names it may mean.
        candidates: Vec<String>,
    },
    /// Not a name at all.
    #[error("{name:?} is not the name of a function: {problem}")]
    Syntax {
        /// What the caller wrote, its beginning if it is long.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The constructor's arguments within the name do not fit.
    #[error("the arguments of {resource} in the function's name: {error}")]
    Arguments {
        /// The resource's name.
        resource: String,
        /// What does not fit, and where.
        error: ValueError,
    },
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) }
}

impl Exports {
    /// Finds what `name` stands for. The forms are those of the HTTP API, see the module.
    ///
    /// # Errors
    /// [`NameError`]. Nothing has happened then: the caller's worker need not even exist.
    pub fn resolve(&self, name: &str) -> Result<Target, NameError> {
        if name.len() > MAX_NAME_BYTES {
            let shown = name.chars().take(80).collect();
            return Err(NameError::Syntax { name: shown, problem: "it is too long" });
        }
        match self.names.find(name) {
            [callable] => Ok(self.target_of(*callable)),
            [] if name.contains('(') => self.resolve_indexed(name),
            [] => Err(self.unknown(name, name)),
            several => {
                let candidates = several
                    .iter()
                    .map(|callable| self.name_of(&Target::from(*callable)).into_owned())
                    .collect();
                Err(NameError::Ambiguous { name: name.to_owned(), candidates })
            }
        }
    }

    fn target_of(&self, callable: Callable) -> Target {
        match callable {
            Callable::Function(_) if self.names.find(HTTP_HANDLER) == [callable] => {
                self.http_handler().unwrap_or_else(|| callable.into())
            }
            callable => callable.into(),
        }
    }

    fn resolve_indexed(&self, name: &str) -> Result<Target, NameError> {
        let parts = IndexedName::parse(name)
            .map_err(|problem| NameError::Syntax { name: name.to_owned(), problem })?;
        let resources = self.names.find_resources(parts.interface, parts.resource);
        let found: Vec<(ResourceId, FunctionId, Action)> = resources
            .iter()
            .filter_map(|id| {
                let constructor = self.resource(*id).constructor?;
                Some((*id, constructor, self.action(*id, parts.action)?))
            })
            .collect();
        match found.as_slice() {
            [] => Err(self.unknown(name, &format!("{}.{}", parts.resource, parts.action))),
            [(resource, constructor, action)] => {
                let parameters = &self.function(*constructor).parameters;
                let urns = HandleUrns::local();
                let arguments =
                    wave::parse_arguments(parts.arguments, parameters, &urns).map_err(|error| {
                        NameError::Arguments { resource: parts.resource.to_owned(), error }
                    })?;
                let indexed = Indexed::new(*resource, *constructor, arguments, *action);
                Ok(Target::Indexed(Box::new(indexed)))
            }
            several => {
                let full = |(resource, ..): &(ResourceId, FunctionId, Action)| {
                    let interface = self.resource(*resource).interface.as_deref();
                    let within = format!("{}{}.{}", parts.resource, parts.arguments, parts.action);
                    super::names::qualified(interface, &within)
                };
                let candidates = several.iter().map(full).collect();
                Err(NameError::Ambiguous { name: name.to_owned(), candidates })
            }
        }
    }

    fn action(&self, resource: ResourceId, action: &str) -> Option<Action> {
        match action {
            "new" => return Some(Action::New),
            "drop" => return Some(Action::Drop),
            _ => {}
        }
        let method = |function: &super::Function| {
            function.kind == FunctionKind::Method(resource) && function.member() == Some(action)
        };
        self.functions().find(|(_, function)| method(function)).map(|(id, _)| Action::Method(id))
    }

    fn unknown(&self, name: &str, compared: &str) -> NameError {
        let functions = self.functions.iter().map(|function| function.name.as_str());
        let drops = self.resources.iter().map(|resource| resource.drop_name.as_str());
        let near = near_names(compared, functions.chain(drops));
        NameError::Unknown { name: name.to_owned(), near }
    }
}

impl From<Callable> for Target {
    fn from(callable: Callable) -> Self {
        match callable {
            Callable::Function(id) => Self::Function(id),
            Callable::Drop(id) => Self::Drop(id),
        }
    }
}

/// `iface.{cart("id").add-item}` or `cart("id").add-item`, taken apart.
struct IndexedName<'name> {
    interface: Option<&'name str>,
    resource: &'name str,
    /// With the parentheses.
    arguments: &'name str,
    action: &'name str,
}

impl<'name> IndexedName<'name> {
    fn parse(name: &'name str) -> Result<Self, &'static str> {
        let before_arguments = name.split_once('(').map_or(name, |(before, _)| before);
        let (interface, within) = match before_arguments.find(".{") {
            Some(place) => {
                let within = name[place + 2..].strip_suffix('}').ok_or("a closing } is missing")?;
                (Some(&name[..place]), within)
            }
            None => (None, name),
        };
        let open = within.find('(').ok_or("an opening ( is missing")?;
        // The arguments may have parentheses and dots in them, a method's name has not.
        let close = within.rfind(").").ok_or("after the arguments, ). and a method are missing")?;
        if close < open {
            return Err("the parentheses do not match");
        }
        Ok(Self {
            interface,
            resource: &within[..open],
            arguments: &within[open..=close],
            action: &within[close + 2..],
        })
    }
}
