//! `wasi:cli/environment`.

use wasmtime_wasi::p2::bindings::cli::environment::Host;

use super::WorkerState;

impl Host for WorkerState {
    /// Recorded, since the component's version among them changes with an update.
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.read_local(
            "wasi:cli/environment.get-environment",
            &(),
            |worker| Ok(worker.variables()),
        )
    }

    /// The same for life, so it needs no entry.
    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.environment.args.clone())
    }

    /// The same for life, so it needs no entry.
    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(Some("/".to_owned()))
    }
}

impl WorkerState {
    /// The worker's own variables, then what it is told about itself; that wins over variables of the same names.
    fn variables(&self) -> Vec<(String, String)> {
        let environment = &self.environment;
        let told = [
            ("GOLEM_WORKER_NAME", environment.worker.name.clone()),
            ("GOLEM_COMPONENT_ID", environment.worker.component.to_string()),
            ("GOLEM_COMPONENT_VERSION", environment.component_version.to_string()),
        ];
        let own =
            environment.env.iter().filter(|(name, _)| !told.iter().any(|told| told.0 == name));
        let mut variables: Vec<_> = own.cloned().collect();
        variables.extend(told.map(|(name, value)| (name.to_owned(), value)));
        variables
    }
}
