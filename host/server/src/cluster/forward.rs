//! Who answers a request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use everlog_runtime::{ComponentError, Membership, Place, WorkerId, clock};
use everlog_store::cluster::Node;

use super::kept::Kept;
use super::wire::{FORWARDED, NoAnswer, Wire};
use crate::http::{App, Problem, ProblemCode};
use crate::telemetry::Metrics;

/// The header of an answer that says: not here (any more), or not now; send the request again.
pub(crate) const AGAIN: HeaderName = HeaderName::from_static("everlog-again");

/// The header of an answer that says which server gave it.
const NODE: HeaderName = HeaderName::from_static("everlog-node");

/// How often the server that has a worker is looked for: together longer than the lease of one that died, with the
/// time to take over from it.
const ATTEMPTS: u32 = 600;
/// Between two attempts.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// How long an answer may wait for this node to be heard of by the store again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Has a request answered where its worker is: here, or by the server that has it. What is about no worker is answered
/// here.
pub(crate) async fn forward(
    State(app): State<Arc<App>>,
    names: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let Some(cluster) = &app.cluster else { return next.run(request).await };
    let Some(membership) = app.runtime.membership() else { return next.run(request).await };
    let route = Route { membership, wire: &cluster.wire, metrics: &app.metrics, next };
    // What is about no worker is what the store says, or about this server: `/readyz` must answer when the lease has
    // ended too.
    let Some(worker) = worker_of(&app, &names).await else { return route.next.run(request).await };
    if request.headers().contains_key(FORWARDED) {
        return route.answer_for_another(&worker, request).await;
    }
    match Kept::new(request).await {
        Ok(kept) => route.answer(&worker, kept).await,
        Err(problem) => problem.into_response(),
    }
}

/// The worker that a path names. None where it names none, or one that cannot be: the route says why.
async fn worker_of(app: &App, names: &RawPathParams) -> Option<WorkerId> {
    let name = |wanted: &str| {
        names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    };
    let (component, worker) = (name("component")?, name("worker")?);
    let mut found = app.runtime.component(&component);
    if matches!(found, Err(ComponentError::NotFound { .. })) {
        // Another server may have deployed it just now.
        app.runtime.refresh_component(&component).await.ok()?;
        found = app.runtime.component(&component);
    }
    WorkerId::new(found.ok()?.id, worker).ok()
}

/// The ways that a request can go.
struct Route<'a> {
    membership: &'a Membership,
    wire: &'a Wire,
    metrics: &'a Metrics,
    next: Next,
}

impl Route<'_> {
    /// Has a request answered by whoever has the worker.
    async fn answer(&self, worker: &WorkerId, mut request: Kept) -> Response {
        for _ in 0..ATTEMPTS {
            match self.attempt(worker, &mut request).await {
                Ok(Some(response)) => return response,
                Ok(None) if !request.can_be_sent() => return gone().into_response(),
                Ok(None) => self.membership.look(RETRY_AFTER).await,
                Err(problem) => return problem.into_response(),
            }
        }
        nobody(worker).into_response()
    }

    /// The answer of whoever seems to have the worker; `None` if it is to be asked for again.
    async fn attempt(
        &self,
        worker: &WorkerId,
        request: &mut Kept,
    ) -> Result<Option<Response>, Problem> {
        let response = match self.membership.place_of(worker) {
            Place::Between => return Ok(None),
            Place::Here => self.run_here(request).await?,
            Place::There(node) => match self.pass_on(&node, request).await {
                Ok(response) => response,
                Err(lost) if lost.may_have_arrived && !request.may_be_repeated() => {
                    return Err(unknown(&node, &lost.reason));
                }
                Err(lost) => {
                    tracing::debug!(node = node.address, reason = lost.reason, "asking again");
                    return Ok(None);
                }
            },
        };
        Ok((!is_again(&response)).then_some(response))
    }

    /// Answers a request that another server passed on, if the worker is here.
    async fn answer_for_another(&self, worker: &WorkerId, mut request: Request) -> Response {
        // How it came is no business of the guest's.
        request.headers_mut().remove(FORWARDED);
        if self.membership.place_of(worker) != Place::Here {
            // It may know more than this server.
            self.membership.look(Duration::ZERO).await;
        }
        match self.membership.place_of(worker) {
            Place::Here => self.leased(self.next.clone().run(request).await).await,
            _ => nobody(worker).into_response(),
        }
    }

    async fn run_here(&self, request: &mut Kept) -> Result<Response, Problem> {
        let request = request.request().ok_or_else(gone)?;
        Ok(self.leased(self.next.clone().run(request).await).await)
    }

    async fn pass_on(&self, node: &Node, request: &mut Kept) -> Result<Response, NoAnswer> {
        let Some(request) = request.request() else {
            let reason = "the body has passed through already".to_owned();
            return Err(NoAnswer { may_have_arrived: true, reason });
        };
        self.metrics.request_passed_on();
        tokio::select! {
            answer = self.wire.pass_on(node, request) => answer,
            () = self.membership.gone(node.session) => {
                let reason = "it was declared dead".to_owned();
                Err(NoAnswer { may_have_arrived: true, reason })
            }
        }
    }

    /// An answer that says who gave it.
    fn signed(&self, mut response: Response) -> Response {
        let view = self.membership.view();
        let address = view.node(self.membership.this()).map(|node| node.address.as_str());
        if let Some(Ok(address)) = address.map(HeaderValue::from_str) {
            response.headers_mut().insert(NODE, address);
        }
        response
    }

    /// An answer, once it is sure that nobody else could have given another: a server that was paused for longer than
    /// its lease may not know yet that it is dead.
    async fn leased(&self, response: Response) -> Response {
        let looking = async {
            while !self.membership.holds_lease() {
                self.membership.look(RETRY_AFTER).await;
            }
        };
        tokio::select! {
            () = looking => self.signed(response),
            () = clock::pause(PATIENCE) => unheard().into_response(),
            () = self.membership.lost() => unheard().into_response(),
        }
    }
}

fn is_again(response: &Response) -> bool {
    response.headers().contains_key(AGAIN)
}

fn nobody(worker: &WorkerId) -> Problem {
    let detail = format!(
        "worker {worker} is between two nodes; try again in a moment, and look at \
         `everlog cluster status` if it stays so"
    );
    Problem::new(ProblemCode::WorkerElsewhere, detail)
}

fn unheard() -> Problem {
    let detail = "this node was not heard of by the store for longer than its lease, so another \
                  one may have taken over its workers; send the request again";
    Problem::new(ProblemCode::WorkerElsewhere, detail)
}

fn gone() -> Problem {
    let detail = "the worker went to another node while the request was on its way, and its body \
                  is too large to be kept; send the request again";
    Problem::new(ProblemCode::WorkerElsewhere, detail)
}

fn unknown(node: &Node, reason: &str) -> Problem {
    let detail = format!(
        "the node {} that has the worker was lost in the middle of the request ({reason}), so it \
         may have been done or not; with an Idempotency-Key it would have been sent again",
        node.address
    );
    Problem::new(ProblemCode::OutcomeUnknown, detail)
}
