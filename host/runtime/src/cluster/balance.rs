//! Takes and gives shards, so that every node has its share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use everlog_store::StoreError;
use everlog_store::cluster::{NodeState, SessionId, Shard, View};

use super::Membership;
use crate::clock;
use crate::shared::Shared;
use crate::worker::WorkerId;

/// Shards that change hands at once: their workers are away for as long as all of those in them need to leave memory.
const SHARDS_AT_ONCE: usize = 64;
/// After something failed it is tried again then.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How often a leaving node looks for somebody to take what it has.
const ATTEMPTS_TO_LEAVE: u32 = 5;

/// Keeps this node's share, for as long as the runtime lives.
pub(crate) async fn run(shared: Arc<Shared>) {
    let Some(membership) = &shared.membership else { return };
    let mut views = membership.views();
    while let Err(error) = membership.cluster().enter(NodeState::Serving).await {
        tracing::warn!(%error, "cannot join the cluster; trying again");
        clock::pause(RETRY_AFTER).await;
    }
    loop {
        let view = Arc::clone(&views.borrow_and_update());
        if let Err(error) = settle(&shared, membership, &view).await {
            tracing::warn!(%error, "cannot take or give shards; trying again");
            clock::pause(RETRY_AFTER).await;
            continue;
        }
        if views.changed().await.is_err() {
            return;
        }
    }
}

/// Does what follows from a view for this node.
async fn settle(
    shared: &Arc<Shared>,
    membership: &Membership,
    view: &View,
) -> Result<(), StoreError> {
    let this = membership.this();
    serve_what_is_owned(shared, membership, view).await;
    let moves = view.moves();
    let gifts = moves.iter().filter(|change| change.from == Some(this));
    let gifts: Vec<_> = gifts.map(|change| (change.shard, change.to)).collect();
    give(shared, membership, &gifts).await?;
    let claims = moves.iter().filter(|change| change.from.is_none() && change.to == this);
    let claims: Vec<_> = claims.map(|change| change.shard).collect();
    if !claims.is_empty() {
        membership.cluster().claim(claims).await?;
    }
    Ok(())
}

/// Begins to serve what has come to this node, and stops with what has gone.
async fn serve_what_is_owned(shared: &Arc<Shared>, membership: &Membership, view: &View) {
    let this = Some(membership.this());
    let (mut gained, mut gone) = (0_usize, Vec::new());
    for shard in Shard::all() {
        match (view.owner(shard) == this, membership.serves(shard)) {
            (true, false) => {
                membership.set_served(shard, true);
                gained += 1;
            }
            (false, true) => gone.push(shard),
            _ => {}
        }
    }
    if !gone.is_empty() {
        // Only when the store has forgotten who this is; nothing can be written any more.
        tracing::warn!(shards = gone.len(), "shards were lost");
        stop_serving(shared, membership, &gone).await;
    }
    if gained > 0 {
        tracing::info!(shards = gained, nodes = view.nodes.len(), "serving shards");
        // Their workers may have something due, or were running when their node died.
        shared.timers.read_again();
    }
}

/// Hands shards over to other nodes, after their workers have left memory.
async fn give(
    shared: &Arc<Shared>,
    membership: &Membership,
    gifts: &[(Shard, SessionId)],
) -> Result<(), StoreError> {
    for gifts in gifts.chunks(SHARDS_AT_ONCE) {
        let shards: Vec<_> = gifts.iter().map(|(shard, _)| *shard).collect();
        stop_serving(shared, membership, &shards).await;
        membership.cluster().give(gifts.to_vec()).await?;
        tracing::info!(shards = shards.len(), "handed shards over");
    }
    Ok(())
}

/// Returns when no worker of these shards is in memory, and all that they wrote is stored.
async fn stop_serving(shared: &Arc<Shared>, membership: &Membership, shards: &[Shard]) {
    let shards: HashSet<Shard> = shards.iter().copied().collect();
    shards.iter().for_each(|shard| membership.set_served(*shard, false));
    let is_given =
        |worker: &WorkerId| worker.key().is_ok_and(|key| shards.contains(&Shard::of(&key)));
    shared.registry.hand_over(is_given).await;
}

/// Gives everything to the others, if there are any.
pub(crate) async fn leave(shared: &Arc<Shared>, membership: &Membership) {
    let cluster = membership.cluster();
    if let Err(error) = cluster.enter(NodeState::Leaving).await {
        tracing::warn!(%error, "cannot tell the other nodes; they take over when the lease ends");
        return;
    }
    for _ in 0..ATTEMPTS_TO_LEAVE {
        let view = membership.view();
        let this = membership.this();
        let moves = view.moves();
        let gifts = moves.iter().filter(|change| change.from == Some(this));
        let gifts: Vec<_> = gifts.map(|change| (change.shard, change.to)).collect();
        if gifts.is_empty() {
            return;
        }
        if let Err(error) = give(shared, membership, &gifts).await {
            tracing::warn!(%error, "cannot hand shards over; trying again");
            clock::pause(RETRY_AFTER).await;
        }
    }
}
