//! `wasi:keyvalue/cache`: one bucket that all workers share, whose values may end at a time.
//!
//! Every operation is over when it returns, so each of its futures is ready from the start. It is as durable as other
//! buckets are, which is more than the interface asks for.

use std::sync::Arc;

use everlog_oplog::Timestamp;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::super::super::registry::AnswerRecipe;
use super::super::super::values::{IncomingValue, OutgoingValue, Vacancy};
use super::super::super::{Recipe, WorkerState};
use super::super::calls::Written;
use super::keyvalue::cache::{
    GetOrSetEntry, Host, HostFutureExistsResult, HostFutureGetOrSetResult, HostFutureGetResult,
    HostFutureResult, HostVacancy,
};
use crate::clock;
use crate::durable::Reply;
use crate::keyvalue::limits::MAX_VALUE_BYTES;
use crate::keyvalue::{Bucket, NewValue};

/// How an operation ended.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Answer {
    /// A value or none, and the key under which the guest may then put one.
    Value(Option<IncomingValue>, Option<String>),
    /// Whether there is a value.
    Exists(bool),
    /// It is done.
    Done,
    /// It is not.
    Failed(String),
}

#[async_trait]
impl Pollable for Answer {
    async fn ready(&mut self) {}
}

impl Answer {
    fn recipe(&self) -> AnswerRecipe {
        match self {
            Self::Value(value, key) => {
                let value = value.as_ref().map(IncomingValue::recipe);
                AnswerRecipe::Value(value, key.clone())
            }
            Self::Exists(exists) => AnswerRecipe::Exists(*exists),
            Self::Done => AnswerRecipe::Done,
            Self::Failed(message) => AnswerRecipe::Failed(message.clone()),
        }
    }

    fn done(told: Reply<()>) -> Self {
        told.map_or_else(Self::Failed, |()| Self::Done)
    }
}

impl Host for WorkerState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Resource<Answer>> {
        let answer = self.cached("wasi:keyvalue/cache.get", &key, None).await?;
        self.push_answer(answer)
    }

    async fn exists(&mut self, key: String) -> wasmtime::Result<Resource<Answer>> {
        let function = "wasi:keyvalue/cache.exists";
        let told = self.key_exists(function, &Bucket::cache(), &key).await?;
        self.push_answer(told.map_or_else(Answer::Failed, Answer::Exists))
    }

    async fn set(
        &mut self,
        key: String,
        value: Resource<OutgoingValue>,
        ttl_ms: Option<u32>,
    ) -> wasmtime::Result<Resource<Answer>> {
        let bytes = self.table.get(&value)?.bytes();
        let vacancy = Vacancy { key, ttl_ms };
        let told = self.cache("wasi:keyvalue/cache.set", vacancy, bytes).await?;
        self.push_answer(Answer::done(told))
    }

    async fn get_or_set(&mut self, key: String) -> wasmtime::Result<Resource<Answer>> {
        let function = "wasi:keyvalue/cache.get-or-set";
        let answer = self.cached(function, &key, Some(key.clone())).await?;
        self.push_answer(answer)
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Resource<Answer>> {
        let function = "wasi:keyvalue/cache.delete";
        let told = self.key_replace(function, &Bucket::cache(), vec![(key, None)]).await?;
        self.push_answer(Answer::done(told))
    }
}

impl HostFutureGetResult for WorkerState {
    fn future_get_result_get(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<
        Option<Result<Option<Resource<IncomingValue>>, Resource<super::error::KeyValueError>>>,
    > {
        let found = match self.table.get(&answer)? {
            Answer::Value(value, _) => Ok(value.clone()),
            answer => Err(answer.failure()),
        };
        let found = match found {
            Ok(Some(value)) => Ok(Some(self.push_incoming(value)?)),
            Ok(None) => Ok(None),
            Err(message) => Err(message),
        };
        self.key_answer(found).map(Some)
    }

    fn listen_to_future_get_result(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to_answer(answer)
    }

    fn drop(&mut self, answer: Resource<Answer>) -> wasmtime::Result<()> {
        self.delete(answer)?;
        Ok(())
    }
}

impl HostFutureExistsResult for WorkerState {
    fn future_exists_result_get(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Option<Result<bool, Resource<super::error::KeyValueError>>>> {
        let exists = match self.table.get(&answer)? {
            Answer::Exists(exists) => Ok(*exists),
            answer => Err(answer.failure()),
        };
        self.key_answer(exists).map(Some)
    }

    fn listen_to_future_exists_result(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to_answer(answer)
    }

    fn drop(&mut self, answer: Resource<Answer>) -> wasmtime::Result<()> {
        self.delete(answer)?;
        Ok(())
    }
}

impl HostFutureResult for WorkerState {
    fn future_result_get(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Option<Result<(), Resource<super::error::KeyValueError>>>> {
        let done = match self.table.get(&answer)? {
            Answer::Done => Ok(()),
            answer => Err(answer.failure()),
        };
        self.key_answer(done).map(Some)
    }

    fn listen_to_future_result(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to_answer(answer)
    }

    fn drop(&mut self, answer: Resource<Answer>) -> wasmtime::Result<()> {
        self.delete(answer)?;
        Ok(())
    }
}

impl HostFutureGetOrSetResult for WorkerState {
    fn future_get_or_set_result_get(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Option<Result<GetOrSetEntry, Resource<super::error::KeyValueError>>>>
    {
        let found = match self.table.get(&answer)? {
            Answer::Value(Some(value), _) => Ok(Ok(value.clone())),
            Answer::Value(None, Some(key)) => Ok(Err(key.clone())),
            answer => Err(answer.failure()),
        };
        let entry = match found {
            Ok(Ok(value)) => Ok(GetOrSetEntry::Occupied(self.push_incoming(value)?)),
            Ok(Err(key)) => {
                let recipe = Recipe::Vacancy { key: key.clone() };
                let vacancy = self.push(Vacancy { key, ttl_ms: None }, recipe)?;
                Ok(GetOrSetEntry::Vacant(vacancy))
            }
            Err(message) => Err(message),
        };
        self.key_answer(entry).map(Some)
    }

    fn listen_to_future_get_or_set_result(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to_answer(answer)
    }

    fn drop(&mut self, answer: Resource<Answer>) -> wasmtime::Result<()> {
        self.delete(answer)?;
        Ok(())
    }
}

impl HostVacancy for WorkerState {
    /// The value goes to its place when the guest drops it.
    fn vacancy_fill(
        &mut self,
        vacancy: Resource<Vacancy>,
        ttl_ms: Option<u32>,
    ) -> wasmtime::Result<Resource<OutgoingValue>> {
        let key = self.table.get(&vacancy)?.key.clone();
        self.push_outgoing_value(MAX_VALUE_BYTES, Some(Vacancy { key, ttl_ms }))
    }

    fn drop(&mut self, vacancy: Resource<Vacancy>) -> wasmtime::Result<()> {
        self.delete(vacancy)?;
        Ok(())
    }
}

impl Answer {
    /// Why there is nothing to get. Each kind of future has its own kind of answer, so it is this one or the failure.
    fn failure(&self) -> String {
        match self {
            Self::Failed(message) => message.clone(),
            _ => "the answer is of another kind".to_owned(),
        }
    }
}

impl WorkerState {
    /// What is cached under `key`.
    async fn cached(
        &mut self,
        function: &'static str,
        key: &str,
        place: Option<String>,
    ) -> wasmtime::Result<Answer> {
        let found = self.key_get(function, &Bucket::cache(), key).await?;
        let value = match found {
            Ok(Some(value)) => self.incoming_value(value).map(Some),
            Ok(None) => Ok(None),
            Err(refused) => Err(refused),
        };
        Ok(value.map_or_else(Answer::Failed, |value| Answer::Value(value, place)))
    }

    /// Puts a value into the place that was vacant. Nobody hears of it if that fails: the place stays vacant.
    pub(super) async fn fill(&mut self, vacancy: Vacancy, bytes: Vec<u8>) -> wasmtime::Result<()> {
        let function = "wasi:keyvalue/cache.vacancy.vacancy-fill";
        // A cache may lose what it is given, and a refusal is in the log.
        let _told = self.cache(function, vacancy, bytes).await?;
        Ok(())
    }

    async fn cache(
        &mut self,
        function: &'static str,
        vacancy: Vacancy,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Reply<()>> {
        let Vacancy { key, ttl_ms } = vacancy;
        let data = Arc::clone(&self.environment.key_values);
        let request = (key.as_str(), ttl_ms, Written::of(&bytes));
        let request = bincode::encode_to_vec(request, bincode::config::standard())?;
        let live = async {
            let expires_at = ttl_ms.map(end_of);
            let value = NewValue { bytes, expires_at };
            Ok(((), data.set(&Bucket::cache(), key, value).await?))
        };
        self.write_shared(function, &request, live).await
    }

    fn push_answer(&mut self, answer: Answer) -> wasmtime::Result<Resource<Answer>> {
        let recipe = Recipe::CacheAnswer(answer.recipe());
        Ok(self.push(answer, recipe)?)
    }

    fn subscribe_to_answer(
        &mut self,
        answer: Resource<Answer>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = answer.rep();
        let pollable = subscribe(&mut self.table, answer)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }
}

fn end_of(ttl_ms: u32) -> Timestamp {
    clock::now().after(u64::from(ttl_ms) * 1_000_000)
}
