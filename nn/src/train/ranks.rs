//! One model on several processes: the ranks of MPI, with the feature `mpi`.
//!
//! Every rank runs the whole program: it reads the data, and holds all of θ. The shards of a minibatch are the leaves of a binary tree,
//! in which the left half of a node is the larger one. The ranks are halved in the same way: each computes a subtree, and the levels
//! above are exchanges between ranks, after which all have the sum. So the bits are those of one rank, on any number of them.

#[cfg(feature = "mpi")]
use std::any::Any;
use std::ops::Range;
#[cfg(feature = "mpi")]
use std::sync::{Mutex, OnceLock, PoisonError};

use autograd::Real;
#[cfg(feature = "mpi")]
use mpi::{
    Threading, environment::Universe, point_to_point::send_receive_into, topology::SimpleCommunicator,
    traits::*,
};

/// What is exchanged at a time: it stays in the cache, and is long enough that latency does not count.
#[cfg(feature = "mpi")]
const AT_ONCE: usize = 1 << 16;

/// Which of the processes that train a model this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranks {
    rank: usize,
    count: usize,
}

/// The ranks that `mpirun` has started: they are the process's own.
#[cfg(feature = "mpi")]
static WORLD: OnceLock<Ranks> = OnceLock::new();

/// Held in an exchange: MPI must not be called from two threads at once.
#[cfg(feature = "mpi")]
static EXCHANGE: Mutex<()> = Mutex::new(());

impl Ranks {
    /// A process of its own.
    pub(crate) const ALONE: Self = Self { rank: 0, count: 1 };

    /// Whether there are others.
    pub(crate) fn are_several(self) -> bool {
        self.count > 1
    }

    /// The leaves of this rank, of so many: those of a subtree. Of few leaves there may be none.
    pub(crate) fn part(self, leaves: usize) -> Range<usize> {
        let mut part = 0..leaves;
        for (mine, others) in self.levels() {
            let middle = middle(&part);
            part = if mine.start < others.start { part.start..middle } else { middle..part.end };
        }
        part
    }

    /// From the root down: the half of the ranks that this one is in, and the other half.
    fn levels(self) -> Vec<(Range<usize>, Range<usize>)> {
        let mut levels = Vec::new();
        let mut ranks = 0..self.count;
        while ranks.len() > 1 {
            let middle = middle(&ranks);
            let (left, right) = (ranks.start..middle, middle..ranks.end);
            levels.push(if self.rank < middle { (left, right) } else { (right, left) });
            ranks = levels[levels.len() - 1].0.clone();
        }
        levels
    }

    /// Replaces the numbers by their sums over the ranks, added in the tree. A rank that has none to add gives −0.
    ///
    /// All ranks must call this with as many numbers.
    pub(crate) fn add<F: Real>(self, values: &mut Vec<F>) {
        #[cfg(feature = "mpi")]
        if self.are_several() {
            let values: &mut dyn Any = values;
            if let Some(values) = values.downcast_mut::<Vec<f32>>() {
                self.exchange(values);
            } else if let Some(values) = values.downcast_mut::<Vec<f64>>() {
                self.exchange(values);
            } else {
                unreachable!("a checkpoint holds f32 or f64, and so does what is trained in a run");
            }
        }
        let _ = values;
    }

    #[cfg(feature = "mpi")]
    fn exchange<T: Equivalence + Real>(self, values: &mut [T]) {
        let _exchange = EXCHANGE.lock().unwrap_or_else(PoisonError::into_inner);
        let world = SimpleCommunicator::world();
        let at_rank = |rank: usize| world.process_at_rank(rank as i32);
        let mut buffer = vec![T::ZERO; values.len().min(AT_ONCE)];
        for (mine, others) in self.levels().into_iter().rev() {
            // The halves differ by one rank at most: the last of the shorter half has two partners, of which the second only listens.
            let place = self.rank - mine.start;
            let partner = at_rank(others.start + place.min(others.len() - 1));
            let listener =
                (place + 1 == mine.len() && others.len() > mine.len()).then(|| at_rank(others.end - 1));
            for values in values.chunks_mut(AT_ONCE) {
                let theirs = &mut buffer[..values.len()];
                if place < others.len() {
                    send_receive_into(&*values, &partner, theirs, &partner);
                } else {
                    partner.receive_into(theirs);
                }
                if let Some(listener) = &listener {
                    listener.send(&*values);
                }
                values.iter_mut().zip(&*theirs).for_each(|(value, theirs)| *value += *theirs);
            }
        }
    }
}

/// MPI. After an error or a panic others may wait for this rank, and the end of MPI would wait for them: so it ends them all.
#[cfg(feature = "mpi")]
struct Session(Option<Universe>);

#[cfg(feature = "mpi")]
impl Drop for Session {
    fn drop(&mut self) {
        if let (Some(universe), true) = (&self.0, Ranks::world().are_several()) {
            universe.world().abort(1);
        }
    }
}

/// What a program does with ranks.
#[cfg(feature = "run")]
impl Ranks {
    /// Calls `body`, a whole program, within MPI: once in a process. Ranks exchange from any thread, but never from two at once.
    pub(crate) fn within<T>(body: impl FnOnce() -> Result<T, T>) -> T {
        #[cfg(feature = "mpi")]
        let mut session =
            Session(mpi::initialize_with_threading(Threading::Serialized).map(|(universe, _)| {
                let world = universe.world();
                let _ = WORLD.set(Self { rank: world.rank() as usize, count: world.size() as usize });
                universe
            }));
        let end = body();
        #[cfg(feature = "mpi")]
        if end.is_ok() {
            session.0 = None;
        }
        end.unwrap_or_else(|end| end)
    }

    /// This process among those that `mpirun` has started.
    pub(crate) fn world() -> Self {
        #[cfg(feature = "mpi")]
        return WORLD.get().copied().unwrap_or(Self::ALONE);
        #[cfg(not(feature = "mpi"))]
        Self::ALONE
    }

    /// The number of this rank, counted from 0.
    pub(crate) fn rank(self) -> usize {
        self.rank
    }

    /// Whether this is the rank that writes and speaks.
    pub(crate) fn is_first(self) -> bool {
        self.rank == 0
    }

    /// How many ranks have none of so many leaves.
    pub(crate) fn idle(self, leaves: usize) -> usize {
        (0..self.count).filter(|&rank| Self { rank, ..self }.part(leaves).is_empty()).count()
    }

    /// That the MPI library may be called from the thread on which a model trains.
    ///
    /// # Errors
    /// What it allows.
    pub(crate) fn check(self) -> Result<(), String> {
        #[cfg(feature = "mpi")]
        if mpi::environment::threading_support() < Threading::Serialized {
            let found = mpi::environment::threading_support();
            return Err(format!("expected a library that any thread may call, found {found:?}"));
        }
        Ok(())
    }

    /// The bytes of the first rank, if it has any, for all ranks.
    pub(crate) fn of_first(self, bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
        #[cfg(feature = "mpi")]
        if self.are_several() {
            let _exchange = EXCHANGE.lock().unwrap_or_else(PoisonError::into_inner);
            let world = SimpleCommunicator::world();
            let first = world.process_at_rank(0);
            let mut len = bytes.as_ref().map_or(u64::MAX, |bytes| bytes.len() as u64);
            first.broadcast_into(&mut len);
            if len == u64::MAX {
                return None;
            }
            let mut bytes = bytes.unwrap_or_else(|| vec![0; len as usize]);
            bytes.chunks_mut(1 << 30).for_each(|bytes| first.broadcast_into(bytes));
            return Some(bytes);
        }
        bytes
    }

    /// The first rank, and the place in `numbers`, that has another number than rank 0.
    pub(crate) fn differing<const N: usize>(self, numbers: [u32; N]) -> Option<(usize, usize)> {
        let mut all = vec![0.0; self.count * N];
        all[self.rank * N..][..N].copy_from_slice(&numbers.map(f64::from));
        self.add(&mut all);
        (N..all.len()).find(|&i| all[i] != all[i % N]).map(|i| (i / N, i % N))
    }
}

/// Where the right half begins.
fn middle(range: &Range<usize>) -> usize {
    range.start + range.len().div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::{Ranks, middle};
    use std::ops::Range;

    /// Every rank has a subtree: the leaves of the ranks of a node are those of a node.
    #[test]
    fn ranks_have_subtrees() {
        fn check(count: usize, ranks: Range<usize>, leaves: Range<usize>) {
            if ranks.len() == 1 {
                let part = Ranks { rank: ranks.start, count }.part(20_000);
                assert!(part == leaves || part.is_empty() && leaves.is_empty());
                return;
            }
            let (rank, leaf) = (middle(&ranks), middle(&leaves));
            check(count, ranks.start..rank, leaves.start..leaf);
            check(count, rank..ranks.end, leaf..leaves.end);
        }
        (1..40).for_each(|count| check(count, 0..count, 0..20_000));
    }

    #[test]
    fn more_ranks_than_leaves_leave_some_without() {
        let parts =
            |count| -> Vec<usize> { (0..count).map(|rank| Ranks { rank, count }.part(2).len()).collect() };
        assert_eq!(parts(1), [2]);
        assert_eq!(parts(3), [1, 0, 1]);
        assert_eq!(parts(8), [1, 0, 0, 0, 1, 0, 0, 0]);
    }
}
