//! `wasi:keyvalue/eventual-batch`. What one call writes is written all or not at all.

use wasmtime::component::Resource;

use super::super::super::WorkerState;
use super::super::super::values::{IncomingValue, OutgoingValue};
use super::Answered;
use super::keyvalue::eventual_batch::Host;
use crate::keyvalue::{Bucket, check_total};

impl Host for WorkerState {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answered<Vec<Option<Resource<IncomingValue>>>> {
        let bucket = self.table.get(&bucket)?.clone();
        let function = "wasi:keyvalue/eventual-batch.get-many";
        let found = match self.key_get_many(function, &bucket, &keys).await? {
            Ok(found) => found,
            Err(refused) => return self.key_answer(Err(refused)),
        };
        let mut values = Vec::with_capacity(found.len());
        for value in found {
            values.push(match value {
                Some(value) => match self.push_incoming_value(value)? {
                    Ok(value) => Some(value),
                    Err(refused) => {
                        self.drop_incoming_values(values)?;
                        return self.key_answer(Err(refused));
                    }
                },
                None => None,
            });
        }
        Ok(Ok(values))
    }

    async fn keys(&mut self, bucket: Resource<Bucket>) -> Answered<Vec<String>> {
        let bucket = self.table.get(&bucket)?.clone();
        let told = self.key_list("wasi:keyvalue/eventual-batch.keys", &bucket).await?;
        self.key_answer(told)
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Resource<OutgoingValue>)>,
    ) -> Answered<()> {
        let bucket = self.table.get(&bucket)?.clone();
        // One value may be named often, so its bytes are counted before they are copied.
        let mut total = 0_usize;
        for (_, value) in &key_values {
            total = total.saturating_add(self.table.get(value)?.len());
        }
        if let Err(refused) = check_total(key_values.len(), total) {
            return self.key_answer(Err(refused.to_string()));
        }
        let mut values = Vec::with_capacity(key_values.len());
        for (key, value) in key_values {
            values.push((key, Some(self.table.get(&value)?.bytes())));
        }
        let function = "wasi:keyvalue/eventual-batch.set-many";
        let told = self.key_replace(function, &bucket, values).await?;
        self.key_answer(told)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answered<()> {
        let bucket = self.table.get(&bucket)?.clone();
        let values = keys.into_iter().map(|key| (key, None)).collect();
        let function = "wasi:keyvalue/eventual-batch.delete-many";
        let told = self.key_replace(function, &bucket, values).await?;
        self.key_answer(told)
    }
}

impl WorkerState {
    fn drop_incoming_values(
        &mut self,
        values: Vec<Option<Resource<IncomingValue>>>,
    ) -> wasmtime::Result<()> {
        for value in values.into_iter().flatten() {
            self.delete(value)?;
        }
        Ok(())
    }
}
