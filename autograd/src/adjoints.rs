//! The right-hand buffer of the tape: adjoints, and which of them have been written.

use std::ops::Range;

use crate::Real;

/// Adjoints ∂loss/∂value, one for every value that a parameter reaches.
///
/// They are never zeroed in advance: `written` knows where the first addition may simply write.
#[derive(Debug, Default)]
pub(crate) struct Adjoints<F> {
    /// The buffer. Its length only grows: the first `used` numbers are adjoints.
    pub(crate) values: Vec<F>,
    used: usize,
    pub(crate) written: Ranges,
    /// Room for an operation's own intermediate results.
    pub(crate) scratch: Vec<F>,
}

impl<F: Real> Adjoints<F> {
    /// The adjoints of `range`, to be added to: zeroed where they are fresh.
    #[inline]
    pub(crate) fn sum(&mut self, range: Range<usize>) -> &mut [F] {
        let sums = &mut self.values;
        if self.written.write(range.clone(), |gap| sums[gap].fill(F::ZERO)) {
            sums[range.clone()].fill(F::ZERO);
        }
        &mut self.values[range]
    }

    /// The adjoints of `range`; `None` if its node was recorded after the backward pass.
    #[inline]
    pub(crate) fn get(&self, range: Range<usize>) -> Option<&[F]> {
        self.values[..self.used].get(range)
    }

    /// Forgets everything and makes room for `len` adjoints.
    pub(crate) fn reset(&mut self, len: usize) {
        self.written.0.clear();
        self.used = len;
        if self.values.len() < len {
            self.values.resize(len, F::ZERO);
        }
    }
}

/// Which adjoints have been written: disjoint ranges in ascending order, touching ones merged.
///
/// The backward pass walks from right to left, so there are only ever a few.
#[derive(Debug, Default)]
pub(crate) struct Ranges(Vec<Range<usize>>);

impl Ranges {
    /// Adds `new`. Tells whether all of it was `fresh`; where only a part was, calls `fill` with each fresh piece.
    #[inline]
    pub(crate) fn write(&mut self, new: Range<usize>, mut fill: impl FnMut(Range<usize>)) -> bool {
        if new.is_empty() {
            return false;
        }
        // What the backward pass has just walked through is the last range: mostly `new` lies in it, or just before it.
        if let [before @ .., last] = &mut self.0[..] {
            if last.start <= new.start && new.end <= last.end {
                return false;
            }
            if new.end == last.start && before.last().is_none_or(|r| r.end < new.start) {
                last.start = new.start;
                return true;
            }
        }
        // The ranges that `new` overlaps or touches: `first..last`.
        let first = self.0.partition_point(|r| r.end < new.start);
        let last = first + self.0[first..].partition_point(|r| r.start <= new.end);
        let fresh = self.0[first..last].iter().all(|r| r.end == new.start || r.start == new.end);
        if !fresh {
            let mut at = new.start;
            for r in &self.0[first..last] {
                if at < r.start {
                    fill(at..r.start.min(new.end));
                }
                at = at.max(r.end);
            }
            if at < new.end {
                fill(at..new.end);
            }
        }
        if first == last {
            self.0.insert(first, new);
        } else {
            self.0[first] = self.0[first].start.min(new.start)..self.0[last - 1].end.max(new.end);
            self.0.drain(first + 1..last);
        }
        fresh
    }

    /// Whether any part of `range` has been written.
    #[inline]
    pub(crate) fn touches(&self, range: Range<usize>) -> bool {
        if let Some(last) = self.0.last()
            && last.start <= range.start
        {
            return range.start < last.end && !range.is_empty();
        }
        let first = self.0.partition_point(|r| r.end <= range.start);
        self.0.get(first).is_some_and(|r| r.start.max(range.start) < range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_agree_with_a_list_of_flags(writes in prop::collection::vec((0usize..40, 0usize..12), 0..30)) {
            let (mut ranges, mut flags) = (Ranges::default(), [false; 64]);
            for (start, len) in writes {
                let new = start..start + len;
                prop_assert_eq!(ranges.touches(new.clone()), flags[new.clone()].contains(&true));
                let mut filled = [false; 64];
                let fresh = ranges.write(new.clone(), |gap| filled[gap].fill(true));
                if fresh {
                    prop_assert!(len > 0 && !flags[new.clone()].contains(&true));
                    prop_assert!(!filled.contains(&true));
                } else {
                    for i in 0..64 {
                        prop_assert_eq!(filled[i], new.contains(&i) && !flags[i]);
                    }
                }
                flags[new].fill(true);
                prop_assert!(ranges.0.windows(2).all(|w| w[0].end < w[1].start));
                prop_assert!((0..64).all(|i| ranges.0.iter().any(|r| r.contains(&i)) == flags[i]));
            }
        }
    }
}
