//! One body, three compilations: AVX-512, AVX2 and the target's baseline.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU8, Ordering};

/// The vector instructions that loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Vectors {
    /// What the target has without asking: SSE2 on x86-64; on aarch64 NEON, for which loops are compiled, and for which
    /// `matrixmultiply` has products of its own.
    Baseline = 1,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL, and all of the above.
    Avx512,
}

impl Vectors {
    /// The widest that this machine has, or narrower ones that the environment variable `AUTOGRAD_VECTORS` names
    /// (`baseline`, `avx2` or `avx512`): found out once, then one load. Products of other sizes than a minibatch's are left to
    /// `matrixmultiply`, which finds out for itself and heeds no variable.
    ///
    /// # Panics
    /// If the variable says anything else.
    #[inline]
    pub fn in_use() -> Self {
        static FOUND: AtomicU8 = AtomicU8::new(0);
        match FOUND.load(Ordering::Relaxed) {
            0 => {
                let found = Self::detect().narrowed();
                FOUND.store(found as u8, Ordering::Relaxed);
                found
            }
            3 => Self::Avx512,
            2 => Self::Avx2,
            _ => Self::Baseline,
        }
    }

    #[cold]
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            return if wide { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Baseline
    }

    #[cold]
    fn narrowed(self) -> Self {
        let Some(wanted) = std::env::var_os("AUTOGRAD_VECTORS") else { return self };
        let most = match wanted.to_str() {
            Some("baseline") => Self::Baseline,
            Some("avx2") => Self::Avx2,
            Some("avx512") => Self::Avx512,
            _ => panic!("AUTOGRAD_VECTORS: expected baseline, avx2 or avx512, found {wanted:?}"),
        };
        if most < self { most } else { self }
    }
}

/// A loop whose body `kernel!` wrapped. `run` and all that it calls must be `#[inline(always)]`: what is not
/// inlined is compiled without the vector instructions.
#[doc(hidden)]
pub trait Kernel<Args> {
    /// What the loop returns.
    type Output;
    /// Whether it is compiled for wide vectors at all.
    const VECTORS: bool;
    /// The body.
    fn run(args: Args) -> Self::Output;
}

/// Runs `K` with the vector instructions [in use](Vectors::in_use).
#[doc(hidden)]
#[inline(always)]
pub fn dispatch<K: Kernel<Args>, Args>(args: Args) -> K::Output {
    // A constant: what it rules out is not compiled.
    #[cfg(target_arch = "x86_64")]
    if K::VECTORS {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn avx512<K: Kernel<Args>, Args>(args: Args) -> K::Output {
            K::run(args)
        }
        #[target_feature(enable = "avx2")]
        fn avx2<K: Kernel<Args>, Args>(args: Args) -> K::Output {
            K::run(args)
        }
        match Vectors::in_use() {
            // SAFETY: the machine has the features that `avx512` enables.
            Vectors::Avx512 => return unsafe { avx512::<K, Args>(args) },
            // SAFETY: the machine has the features that `avx2` enables.
            Vectors::Avx2 => return unsafe { avx2::<K, Args>(args) },
            Vectors::Baseline => {}
        }
    }
    K::run(args)
}

/// Declares a function over slices whose body is compiled for the machine's vector instructions (AVX-512 or AVX2
/// where they are found at run time; the target's baseline otherwise).
///
/// Rust never contracts `a * b + c` and the lanes of a loop are independent, so a body gives the same bits at every
/// width, as long as a sum is kept in a fixed number of lanes. Functions called by the body must be
/// `#[inline(always)]`. The first type that it is generic over is a [`Real`](crate::Real) number; over dual numbers, two numbers
/// that lie side by side, it is compiled for the baseline alone.
///
/// `kernel! { fn double<F: Real>(x: &mut [F]) { … } }` becomes
///
/// ```text
/// fn double<F: Real>(x: &mut [F]) {
///     fn body<F: Real>(x: &mut [F]) { … }
///
///     struct Body<F>(PhantomData<(F,)>);
///     impl<F: Real> Kernel<(&mut [F],)> for Body<F> {
///         type Output = ();
///         const VECTORS: bool = F::IS_PLAIN;
///         fn run((x,): (&mut [F],)) { body::<F>(x) }
///     }
///     dispatch::<Body<F>, _>((x,))
/// }
/// ```
#[macro_export]
macro_rules! kernel {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $(<$scalar:ident : Real $(, $g:ident : $bound:path)*>)? ($($arg:ident : $ty:ty),* $(,)?) $(-> $out:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[inline]
        $vis fn $name $(<$scalar: Real $(, $g: $bound)*>)? ($($arg: $ty),*) $(-> $out)? {
            // A function of its own: its reference arguments do not alias, which a tuple would not tell the compiler.
            #[inline(always)]
            fn body $(<$scalar: Real $(, $g: $bound)*>)? ($($arg: $ty),*) $(-> $out)? $body

            struct Body $(<$scalar $(, $g)*>(std::marker::PhantomData<($scalar, $($g,)*)>))?;
            #[allow(unused_parens)]
            impl $(<$scalar: Real $(, $g: $bound)*>)? $crate::numerics::Kernel<($($ty,)*)> for Body $(<$scalar $(, $g)*>)? {
                type Output = ($($out)?);
                const VECTORS: bool = true $(&& $scalar::IS_PLAIN)?;
                #[inline(always)]
                fn run(($($arg,)*): ($($ty,)*)) -> ($($out)?) {
                    body$(::<$scalar $(, $g)*>)?($($arg),*)
                }
            }
            $crate::numerics::dispatch::<Body $(<$scalar $(, $g)*>)?, _>(($($arg,)*))
        }
    };
}
