//! A component instance in memory, and how its exports are called.

mod snapshot;

use std::sync::Arc;

use wasmtime::component::types::Type;
use wasmtime::component::{Func, Instance, Resource, Val};
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::p2::types::{
    HostIncomingRequest as Request, HostResponseOutparam as Outparam,
};

pub(crate) use snapshot::{LOAD_SNAPSHOT, SAVE_SNAPSHOT};

use super::handles::HandleTable;
use crate::component::{ComponentVersion, FUEL_BETWEEN_YIELDS};
use crate::exchange::{HttpRequest, result_value};
use crate::exports::{Action, FunctionId, FunctionKind, Indexed, Target};
use crate::value::{HandleUrns, Value, ValueError, from_val, to_val, wave};
use crate::wasi::WorkerState;

/// A resource that came into or went out of the callers' hands during a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResourceEvent {
    Created { id: u64, resource: String, params: String },
    Dropped { id: u64 },
}

/// What a call brought.
pub(crate) struct Returned {
    pub(crate) value: Option<Value>,
    pub(crate) events: Vec<ResourceEvent>,
}

/// Arguments that the instance takes as they are.
pub(crate) struct Prepared {
    params: Vec<Val>,
    /// Handles that these arguments give away.
    given: Vec<u64>,
    /// The arguments of a constructor as text, for the metadata of what it makes.
    key: String,
    /// What an HTTP handler is to answer; it has no other arguments.
    request: Option<HttpRequest>,
}

/// An instance with its store.
pub(crate) struct Guest {
    store: Store<WorkerState>,
    instance: Instance,
    version: Arc<ComponentVersion>,
    handles: HandleTable,
}

impl Guest {
    /// Instantiates `version`.
    ///
    /// # Errors
    /// A trap of the start code, an interruption, or no room in the pool.
    pub(crate) async fn new(
        engine: &Engine,
        version: Arc<ComponentVersion>,
        state: WorkerState,
    ) -> wasmtime::Result<Self> {
        let mut store = Store::new(engine, state);
        store.limiter_async(|state| &mut state.limiter);
        store.set_fuel(u64::MAX)?;
        store.fuel_async_yield_interval(Some(FUEL_BETWEEN_YIELDS))?;
        let instance = version.pre.instantiate_async(&mut store).await?;
        let handled = Arc::clone(&version);
        Ok(Self { store, instance, version, handles: HandleTable::new(handled) })
    }

    /// The host functions' state.
    pub(crate) fn state(&mut self) -> &mut WorkerState {
        self.store.data_mut()
    }

    /// Turns arguments into what the instance takes, and checks the handles among them.
    ///
    /// # Errors
    /// Arguments that do not fit the function's types, or handles that are not live; nothing has happened then.
    pub(crate) fn prepare(
        &mut self,
        target: &Target,
        args: &[Value],
    ) -> Result<Prepared, ValueError> {
        if let Target::Http(_) = target {
            let request = Some(HttpRequest::of_arguments(args)?);
            return Ok(Prepared {
                params: Vec::new(),
                given: Vec::new(),
                key: String::new(),
                request,
            });
        }
        let version = Arc::clone(&self.version);
        let parameters = version.exports.parameters_of(target);
        if args.len() != parameters.len() {
            return Err(ValueError::mismatch(
                format!("{} arguments", parameters.len()),
                args.len().to_string(),
            ));
        }
        let typed = args.iter().zip(parameters);
        let lowered: Result<Vec<_>, _> =
            typed.map(|(value, (_, ty))| to_val(value, ty, &mut self.handles)).collect();
        match lowered {
            Ok(params) => {
                let key = self.constructor_key(target, args);
                Ok(Prepared { params, given: self.handles.give_away(), key, request: None })
            }
            Err(error) => {
                self.handles.keep_all();
                Err(error)
            }
        }
    }

    /// Does what `target` says.
    ///
    /// # Errors
    /// The guest's trap, or an interruption raised by a host function.
    pub(crate) async fn call(
        &mut self,
        target: &Target,
        prepared: Prepared,
    ) -> wasmtime::Result<Returned> {
        let Prepared { params, given, key, request } = prepared;
        let mut events: Vec<_> =
            given.into_iter().map(|id| ResourceEvent::Dropped { id }).collect();
        let value = match target {
            Target::Function(function) => {
                let value = self.invoke(*function, &params).await?;
                self.note_lifted(&key, &mut events);
                value
            }
            Target::Http(handler) => match request {
                Some(request) => Some(self.answer(*handler, request).await?),
                None => None,
            },
            Target::Drop(_) => {
                if let [Val::Resource(resource)] = params[..] {
                    resource.resource_drop_async(&mut self.store).await?;
                }
                None
            }
            Target::Indexed(indexed) => self.call_indexed(indexed, params, &mut events).await?,
        };
        Ok(Returned { value, events })
    }

    /// Has a handler of `wasi:http` answer a request.
    async fn answer(
        &mut self,
        handler: FunctionId,
        request: HttpRequest,
    ) -> wasmtime::Result<Value> {
        let function = self.function(handler)?;
        let handle = function.typed::<(Resource<Request>, Resource<Outparam>), ()>(&self.store)?;
        let (request, outparam, outbox) = self.store.data_mut().receive_request(request)?;
        handle.call_async(&mut self.store, (request, outparam)).await?;
        Ok(result_value(outbox.take()))
    }

    async fn call_indexed(
        &mut self,
        indexed: &Indexed,
        params: Vec<Val>,
        events: &mut Vec<ResourceEvent>,
    ) -> wasmtime::Result<Option<Value>> {
        let found = self.handles.find(indexed.resource, &indexed.key);
        if indexed.action == Action::Drop {
            let removed = found.and_then(|id| Some((id, self.handles.remove(id)?)));
            if let Some((id, resource)) = removed {
                resource.resource_drop_async(&mut self.store).await?;
                events.push(ResourceEvent::Dropped { id });
            }
            return Ok(None);
        }
        let id = match found {
            Some(id) => id,
            None => match self.construct(indexed, events).await? {
                Ok(id) => id,
                Err(refused) => return Ok(Some(refused)),
            },
        };
        match indexed.action {
            Action::Method(method) => {
                let mut with_self = Vec::with_capacity(params.len() + 1);
                with_self.push(self.lower_self(method, id)?);
                with_self.extend(params);
                let value = self.invoke(method, &with_self).await?;
                self.note_lifted("", events);
                Ok(value)
            }
            Action::New | Action::Drop => Ok(Some(self.constructed(indexed, id))),
        }
    }

    /// Calls the constructor; `Err` is the guest's own `err`, which becomes the call's result.
    async fn construct(
        &mut self,
        indexed: &Indexed,
        events: &mut Vec<ResourceEvent>,
    ) -> wasmtime::Result<Result<u64, Value>> {
        let version = Arc::clone(&self.version);
        let parameters = &version.exports.function(indexed.constructor).parameters;
        let mut params = Vec::with_capacity(indexed.arguments.len());
        for (value, (_, ty)) in indexed.arguments.iter().zip(parameters) {
            params.push(to_val(value, ty, &mut self.handles)?);
        }
        let value = self.invoke(indexed.constructor, &params).await?;
        self.note_lifted(&indexed.key, events);
        match handle_in(value) {
            Ok(id) => {
                self.handles.index(indexed.resource, &indexed.key, id);
                Ok(Ok(id))
            }
            Err(Some(refused)) => Ok(Err(refused)),
            Err(None) => Err(wasmtime::format_err!("a constructor returned no handle")),
        }
    }

    /// What `new` answers for a resource that exists: the handle in the form that the constructor returns.
    fn constructed(&self, indexed: &Indexed, id: u64) -> Value {
        match self.version.exports.function(indexed.constructor).result {
            Some(Type::Result(_)) => Value::Result(Ok(Some(Box::new(Value::Handle(id))))),
            _ => Value::Handle(id),
        }
    }

    fn lower_self(&mut self, method: FunctionId, id: u64) -> wasmtime::Result<Val> {
        let version = Arc::clone(&self.version);
        let parameters = &version.exports.function(method).parameters;
        let (_, ty) =
            parameters.first().ok_or_else(|| wasmtime::format_err!("a method without self"))?;
        Ok(to_val(&Value::Handle(id), ty, &mut self.handles)?)
    }

    async fn invoke(&mut self, id: FunctionId, params: &[Val]) -> wasmtime::Result<Option<Value>> {
        let version = Arc::clone(&self.version);
        let function = version.exports.function(id);
        let callable = self.function(id)?;
        let Some(ty) = &function.result else {
            callable.call_async(&mut self.store, params, &mut []).await?;
            return Ok(None);
        };
        let mut results = [Val::Bool(false)];
        callable.call_async(&mut self.store, params, &mut results).await?;
        let [result] = results;
        Ok(Some(from_val(result, ty, &mut self.handles)?))
    }

    fn function(&mut self, id: FunctionId) -> wasmtime::Result<Func> {
        let function = self.version.exports.function(id);
        self.instance
            .get_func(&mut self.store, function.index)
            .ok_or_else(|| wasmtime::format_err!("the instance lacks its export {}", function.name))
    }

    fn constructor_key(&self, target: &Target, args: &[Value]) -> String {
        let Target::Function(id) = target else { return String::new() };
        match self.version.exports.function(*id).kind {
            FunctionKind::Constructor(_) => wave::arguments_text(args, &HandleUrns::local()),
            _ => String::new(),
        }
    }

    fn note_lifted(&mut self, params: &str, events: &mut Vec<ResourceEvent>) {
        for (id, ty) in self.handles.take_lifted() {
            let resource = self.handles.name_of(&ty);
            events.push(ResourceEvent::Created { id, resource, params: params.to_owned() });
        }
    }
}

/// The handle that a constructor returned, bare or as `ok`; else its `err` as it is.
fn handle_in(value: Option<Value>) -> Result<u64, Option<Value>> {
    match value {
        Some(Value::Handle(id)) => Ok(id),
        Some(Value::Result(Ok(Some(inner)))) => handle_in(Some(*inner)),
        other => Err(other),
    }
}
