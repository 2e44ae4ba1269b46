use std::collections::HashMap;

use super::{NodeState, SHARDS, SessionId, Shard, View};

/// A shard that should change hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub shard: Shard,
    /// Who gives it; `None`: nobody has it.
    pub from: Option<SessionId>,
    /// Who gets it.
    pub to: SessionId,
}

impl View {
    /// What should change hands so that every node that serves has its share, and nobody else has
    /// anything: a shard that nobody owns goes to whoever lacks one, then those who have too many give.
    /// No shard moves that could stay.
    ///
    /// All nodes compute the same from the same view, and each does its own part: it claims what
    /// comes to it from nobody, and gives what comes from it. Where two views differ for a moment,
    /// the next one mends what came of that.
    pub fn moves(&self) -> Vec<Move> {
        let serving = self.nodes.iter().filter(|node| node.state == NodeState::Serving);
        let serving: Vec<SessionId> = serving.map(|node| node.session).collect();
        if serving.is_empty() {
            return Vec::new();
        }
        let mut held: HashMap<SessionId, Vec<Shard>> = HashMap::new();
        let mut free = Vec::new();
        for shard in Shard::all() {
            match self.owner(shard).filter(|owner| self.node(*owner).is_some()) {
                Some(owner) => held.entry(owner).or_default().push(shard),
                None => free.push((None, shard)),
            }
        }
        let targets = targets(&serving, &held);
        for node in &self.nodes {
            let target = targets.get(&node.session).copied().unwrap_or(0);
            let held = held.get(&node.session).map_or(&[][..], Vec::as_slice);
            let excess = held.iter().skip(target);
            free.extend(excess.map(|shard| (Some(node.session), *shard)));
        }
        let mut free = free.into_iter();
        let lacking = serving.iter().flat_map(|session| {
            let held = held.get(session).map_or(0, Vec::len);
            std::iter::repeat_n(*session, targets[session].saturating_sub(held))
        });
        lacking.zip(&mut free).map(|(to, (from, shard))| Move { shard, from, to }).collect()
    }
}

/// How many shards each serving node should have. Where they cannot be divided evenly, those that have
/// most already get the rest, so that nothing moves for its sake.
fn targets(
    serving: &[SessionId],
    held: &HashMap<SessionId, Vec<Shard>>,
) -> HashMap<SessionId, usize> {
    let (share, rest) = (usize::from(SHARDS) / serving.len(), usize::from(SHARDS) % serving.len());
    let mut by_holding = serving.to_vec();
    by_holding.sort_by_key(|session| {
        (std::cmp::Reverse(held.get(session).map_or(0, Vec::len)), *session)
    });
    let target = |(rank, session): (usize, SessionId)| (session, share + usize::from(rank < rest));
    by_holding.into_iter().enumerate().map(target).collect()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::cluster::Node;

    fn node(session: u64, state: NodeState) -> Node {
        let (number, address) = (session.to_string(), String::new());
        Node { session: SessionId(session), number, address, state }
    }

    fn counts(view: &View) -> Vec<usize> {
        let sessions = view.nodes.iter().map(|node| Some(node.session));
        sessions.map(|session| view.shards_of(session).count()).collect()
    }

    fn apply(view: &mut View, moves: &[Move]) {
        for Move { shard, from, to } in moves {
            let owner = view.owner(*shard).filter(|owner| view.node(*owner).is_some());
            assert_eq!(owner, *from);
            view.set_owner(*shard, Some(*to));
        }
    }

    #[test]
    fn the_first_node_takes_everything_and_the_second_gets_half() {
        let mut view = View::new(1, vec![node(1, NodeState::Serving)]);
        let moves = view.moves();
        apply(&mut view, &moves);
        assert_eq!(counts(&view), [1024]);
        view.nodes.push(node(2, NodeState::Joining));
        assert!(view.moves().is_empty());
        view.nodes[1].state = NodeState::Serving;
        let moves = view.moves();
        assert_eq!(moves.len(), 512);
        apply(&mut view, &moves);
        assert_eq!(counts(&view), [512, 512]);
        view.nodes[0].state = NodeState::Leaving;
        let moves = view.moves();
        apply(&mut view, &moves);
        assert_eq!(counts(&view), [0, 1024]);
        view.nodes[1].state = NodeState::Leaving;
        assert!(view.moves().is_empty(), "nobody is there to take them");
    }

    /// Whatever the owners are: after the moves the shares are even, and no shard was moved in vain.
    #[test]
    fn moves_make_shares_even_and_are_few() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..300 {
            let states = [NodeState::Joining, NodeState::Serving, NodeState::Leaving];
            let sessions = 1..=random.random_range(1..9);
            let nodes = sessions.map(|session| node(session, states[random.random_range(0..3)]));
            let mut view = View::new(1, nodes.collect());
            for shard in Shard::all() {
                // 0: nobody; 9: a session that is not there any more.
                let owner = random.random_range(0..10);
                view.set_owner(shard, (owner > 0).then_some(SessionId(owner)));
            }
            let before = view.clone();
            let moves = view.moves();
            apply(&mut view, &moves);
            let serving = view.nodes.iter().filter(|node| node.state == NodeState::Serving);
            let serving: Vec<_> = serving.map(|node| node.session).collect();
            if serving.is_empty() {
                assert_eq!(view, before);
                continue;
            }
            let shares = serving.iter().map(|session| view.shards_of(Some(*session)).count());
            let shares: Vec<_> = shares.collect();
            assert_eq!(shares.iter().sum::<usize>(), usize::from(SHARDS), "{before:?}");
            let (least, most) = (shares.iter().min(), shares.iter().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{shares:?}");
            let gained = serving.iter().map(|session| {
                let count = |view: &View| view.shards_of(Some(*session)).count();
                count(&view).saturating_sub(count(&before))
            });
            assert_eq!(moves.len(), gained.sum::<usize>(), "some moved in vain");
            assert!(view.moves().is_empty(), "the shares are settled");
        }
    }
}
