//! Random choices that can be repeated.

/// splitmix64.
pub struct Rng(u64);

impl Rng {
    /// From `TAQUILLA_CRASH_SEED`, or a new seed; prints it with the name of the rig.
    pub fn for_rig(rig: &str) -> Self {
        let seed = crate::setting("TAQUILLA_CRASH_SEED", getrandom::u64().unwrap());
        crate::tell(&format!("{rig}: TAQUILLA_CRASH_SEED={seed}"));
        Self(seed)
    }

    /// Where it does not matter what is chosen.
    pub fn anew() -> Self {
        Self(getrandom::u64().unwrap())
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A source of its own for somebody else.
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of the cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// Up to `most` of these, each once.
    pub fn sample<T>(&mut self, mut from: Vec<T>, most: usize) -> Vec<T> {
        for i in 0..from.len().min(most) {
            let j = usize::try_from(self.between(i as u64, from.len() as u64 - 1)).unwrap();
            from.swap(i, j);
        }
        from.truncate(most);
        from
    }
}
