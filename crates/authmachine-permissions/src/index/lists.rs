//! Many short lists in two arrays.

/// For each number a list of numbers.
#[derive(Default)]
pub(super) struct Lists {
    /// Where the list of each number begins, and where the last ends.
    starts: Box<[u32]>,
    values: Box<[u32]>,
}

impl Lists {
    /// Makes lists of pairs (of which list, what). What stands in one list keeps the order of the pairs. `pairs` is run
    /// through three times.
    pub(super) fn new<I: Iterator<Item = (u32, u32)>>(pairs: impl Fn() -> I) -> Self {
        let length = pairs().map(|(list, _)| list as usize + 2).max().unwrap_or(1);
        // Counts, then ends, then (filled from the back of nothing) starts: `starts[n + 1]` moves to where list n ends.
        let mut starts = vec![0_u32; length + 1];
        for (list, _) in pairs() {
            starts[list as usize + 2] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut values = vec![0; starts[starts.len() - 1] as usize].into_boxed_slice();
        for (list, value) in pairs() {
            let place = &mut starts[list as usize + 1];
            values[*place as usize] = value;
            *place += 1;
        }
        starts.truncate(length);
        Self { starts: starts.into_boxed_slice(), values }
    }

    /// Where each list begins and where the last ends, and all lists end to end: for who keeps the starts elsewhere.
    pub(super) fn into_parts(self) -> (Box<[u32]>, Box<[u32]>) {
        (self.starts, self.values)
    }

    /// The list of `number`, empty if it has none.
    pub(super) fn get(&self, number: u32) -> &[u32] {
        let number = number as usize;
        match (self.starts.get(number), self.starts.get(number + 1)) {
            (Some(start), Some(end)) => &self.values[*start as usize..*end as usize],
            _ => &[],
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        (self.starts.len() + self.values.len()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_the_order_of_their_pairs() {
        let lists = Lists::new(|| [(3, 9), (1, 5), (3, 8), (3, 9)].into_iter());
        let all: Vec<&[u32]> = (0..6).map(|n| lists.get(n)).collect();
        assert_eq!(all, [&[][..], &[5], &[], &[9, 8, 9], &[], &[]]);
        assert_eq!(Lists::new(std::iter::empty::<(u32, u32)>).get(0), [0; 0]);
    }
}
