//! Which adjoints have been written. It only saves time, and can be skipped at first.

use std::ops::Range;

/// How much of a range has been written.
#[derive(Debug, PartialEq)]
pub(super) enum Cover {
    None,
    Part,
    Whole,
}

/// Which adjoints have been written: disjoint ranges in ascending order, neighbours merged.
///
/// The backward pass walks from right to left, so that there are only a few of them.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<Range<usize>>);

impl Ranges {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds `new`. Returns whether all of it was fresh; if only a part was, calls `fill` with each fresh piece.
    #[inline]
    pub(super) fn insert(&mut self, new: Range<usize>, mut fill: impl FnMut(Range<usize>)) -> bool {
        if new.is_empty() {
            return false;
        }
        // Nearly always `new` lies in what the backward pass wrote last, or just before it.
        if let [before @ .., last] = &mut self.0[..] {
            if last.start <= new.start && new.end <= last.end {
                return false;
            }
            if new.end == last.start && before.last().is_none_or(|r| r.end < new.start) {
                last.start = new.start;
                return true;
            }
        }
        let fresh = self.gaps(new.clone()).next() == Some(new.clone());
        if !fresh {
            self.gaps(new.clone()).for_each(&mut fill);
        }
        // `new` becomes one with the ranges that it overlaps or touches.
        let first = self.0.partition_point(|r| r.end < new.start);
        let last = first + self.0[first..].partition_point(|r| r.start <= new.end);
        let start = self.0[first..last].first().map_or(new.start, |r| r.start.min(new.start));
        let end = self.0[first..last].last().map_or(new.end, |r| r.end.max(new.end));
        if first == last {
            self.0.insert(first, start..end);
        } else {
            self.0[first] = start..end;
            self.0.drain(first + 1..last);
        }
        fresh
    }

    /// How much of `range` has been written.
    #[inline]
    pub(super) fn cover(&self, range: &Range<usize>) -> Cover {
        // Nearly always the backward pass has just written all of it.
        let near = self.0.last().filter(|last| last.start <= range.start);
        let first = near.or_else(|| self.0.get(self.0.partition_point(|r| r.end <= range.start)));
        match first {
            Some(r) if r.start <= range.start && range.end <= r.end && !range.is_empty() => Cover::Whole,
            Some(r) if r.start.max(range.start) < r.end.min(range.end) => Cover::Part,
            _ => Cover::None,
        }
    }

    /// The parts of `range` that have not been written.
    #[inline]
    pub(super) fn gaps(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let first = self.0.partition_point(|r| r.end <= range.start);
        let inside = self.0[first..].iter().take_while(move |r| r.start < range.end);
        let starts = [range.start].into_iter().chain(inside.clone().map(|r| r.end));
        let ends = inside.map(|r| r.start).chain([range.end]);
        starts.zip(ends).map(|(start, end)| start..end).filter(|gap| !gap.is_empty())
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
                let written = flags[new.clone()].iter().filter(|&&flag| flag).count();
                let cover = match written {
                    0 => Cover::None,
                    _ if written == len => Cover::Whole,
                    _ => Cover::Part,
                };
                prop_assert_eq!(ranges.cover(&new), cover);
                let mut filled = [false; 64];
                let fresh = ranges.insert(new.clone(), |gap| filled[gap].fill(true));
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
                let gaps: Vec<_> = ranges.gaps(0..64).collect();
                prop_assert!((0..64).all(|i| gaps.iter().any(|gap| gap.contains(&i)) != flags[i]));
            }
        }
    }
}
