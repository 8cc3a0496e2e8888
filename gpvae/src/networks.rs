//! The encoder and the decoder: q(z|y), and the mean image of z.

use autograd::{Real, Var};
use nn::Nonlinearity::{Elu, Identity};
use nn::density::DiagNormal;
use nn::layers::init_for;
use nn::{Conv2d, Init, Layout, Linear, Mlp, Nonlinearity, Window};

/// log σ of q(z|y) is bounded smoothly to ±this: a σ between 3e-4 and 3000.
const LOG_SIGMA_BOUND: f64 = 8.0;

/// The side of the images that the convolutions take, and how far three strides of 2 narrow it.
const SIDE: usize = 28;
const NARROW: usize = 4;
/// The channels of hidden layers.
const CHANNELS: usize = 8;
const FEATURES: usize = CHANNELS * NARROW * NARROW;

/// q(z|y) = N(μ(y), diag σ²(y)) and g(z), the mean of p(y|z) (lecture 003, "Casale et al (2018)"): a description, whose
/// numbers are in θ.
///
/// Both may depend on a *condition*, some numbers c a row such as the cosine and sine of a view: then the rows of y and z
/// are (y | c) and (z | c). With it this is the pair of networks of a conditional autoencoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Networks {
    latent: usize,
    pixels: usize,
    condition: usize,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Convolutional(Box<Convolutions>),
    /// A two-headed network down, its mirror image up.
    Mlp {
        encoder: Mlp,
        decoder: Mlp,
    },
}

/// Images are halved three times, features are doubled three times.
#[derive(Clone, Debug, PartialEq)]
struct Convolutions {
    down: [Conv2d; 3],
    narrow: Linear,
    wide: Linear,
    up: [Conv2d; 3],
}

impl Networks {
    /// The networks of the rotated-digit benchmark, for images of 28 x 28 (Casale et al. 2018, supplement, fig. 4):
    ///
    /// | encoder | | decoder | |
    /// | --- | --- | --- | --- |
    /// | 3 x conv 3x3, stride 2, padding 1, ELU | 28, 14, 7, 4 wide, 8 channels | linear | 8 x 4x4 |
    /// | linear | 128 to 2L | 3 x upsample 2, conv 3x3, ELU; padding 1, 0, 1 | 8, 16 to 14, 28 wide |
    ///
    /// The condition joins the features before the linear layers. The last ELU is that of the image: pixels from −1 on.
    ///
    /// # Panics
    /// If there are no latent dimensions, or a slot's name is taken.
    #[track_caller]
    pub fn convolutional(layout: &mut Layout, latent: usize, condition: usize) -> Self {
        assert!(latent > 0, "Networks: no latent dimensions");
        let zero = Init::Constant(0.0);
        let mut conv = |name: &str, from, to, stride, padding| {
            let window = Window::square(3, stride, padding);
            Conv2d::new(layout, name, [from, to], window, init_for(Elu), zero.clone())
        };
        let down = [
            conv("encoder.0", 1, CHANNELS, 2, 1),
            conv("encoder.1", CHANNELS, CHANNELS, 2, 1),
            conv("encoder.2", CHANNELS, CHANNELS, 2, 1),
        ];
        let up = [
            conv("decoder.1", CHANNELS, CHANNELS, 1, 1),
            conv("decoder.2", CHANNELS, CHANNELS, 1, 0),
            conv("decoder.3", CHANNELS, 1, 1, 1),
        ];
        let mut linear =
            |name, from, to| Linear::new(layout, name, from, to, init_for(Identity), zero.clone());
        let narrow = linear("encoder.3", FEATURES + condition, 2 * latent);
        let wide = linear("decoder.0", latent + condition, FEATURES);
        let form = Form::Convolutional(Box::new(Convolutions { down, narrow, wide, up }));
        Self { latent, pixels: SIDE * SIDE, condition, form }
    }

    /// Networks of dense layers for rows of `pixels` numbers: the widths `hidden` down with ELU, the same backwards up, and
    /// a linear layer behind each.
    ///
    /// # Panics
    /// If a width is 0, or a slot's name is taken.
    #[track_caller]
    pub fn mlp(
        layout: &mut Layout,
        pixels: usize,
        hidden: &[usize],
        latent: usize,
        condition: usize,
    ) -> Self {
        let mut up = [&[latent + condition], hidden, &[pixels]].concat();
        let count = up.len();
        up[1..count - 1].reverse();
        let down = [&[pixels + condition], hidden, &[2 * latent]].concat();
        let some = latent > 0 && pixels > 0 && !hidden.contains(&0);
        assert!(some, "Networks: widths {down:?} and {up:?}: none may be 0");
        let phi: Nonlinearity = Elu;
        let encoder = Mlp::new(layout, "encoder", &down, phi, Identity);
        let decoder = Mlp::new(layout, "decoder", &up, phi, Identity);
        Self { latent, pixels, condition, form: Form::Mlp { encoder, decoder } }
    }

    /// L, the dimension of z.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// K, the numbers of an image.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// The numbers of the condition, 0 if there is none.
    pub fn condition(&self) -> usize {
        self.condition
    }

    /// q(z|y) = N(μ(y), diag σ²(y)) (lecture 003, "Encoder"), y (B, K) or with a condition (B, K + C), to densities over
    /// (B, L).
    ///
    /// # Panics
    /// If the rows of y have another length.
    #[track_caller]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, y: Var<'t, F>) -> DiagNormal<'t, F> {
        let rows = check("encode", y, self.pixels + self.condition);
        let packed = match &self.form {
            Form::Mlp { encoder, .. } => encoder.apply(theta, y),
            Form::Convolutional(convolutions) => {
                let Convolutions { down, narrow, .. } = &**convolutions;
                let (image, condition) = split(y, self.pixels);
                let mut h = image.reshape([rows, 1, SIDE, SIDE]);
                for conv in down {
                    h = conv.apply(theta, h, Elu);
                }
                narrow.apply(theta, join(h.reshape([rows, FEATURES]), condition), Identity)
            }
        };
        DiagNormal { packed: packed.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)) }
    }

    /// g(z), the mean image (lecture 003, "Casale et al (2018)"), z (B, L) or with a condition (B, L + C), to (B, K).
    ///
    /// # Panics
    /// If the rows of z have another length.
    #[track_caller]
    pub fn decode<'t, F: Real>(&self, theta: Var<'t, F>, z: Var<'t, F>) -> Var<'t, F> {
        let rows = check("decode", z, self.latent + self.condition);
        match &self.form {
            Form::Mlp { decoder, .. } => decoder.apply(theta, z),
            Form::Convolutional(convolutions) => {
                let Convolutions { wide, up, .. } = &**convolutions;
                let mut h = wide.apply(theta, z, Identity).reshape([rows, CHANNELS, NARROW, NARROW]);
                for conv in up {
                    h = conv.apply(theta, h.upsample_nearest(2), Elu);
                }
                h.reshape([rows, self.pixels])
            }
        }
    }
}

/// The number of rows, if they have `width` numbers.
#[track_caller]
fn check<F: Real>(what: &str, x: Var<'_, F>, width: usize) -> usize {
    let shape = x.shape();
    assert!(shape.rank() == 2 && shape[1] == width, "{what}: {shape}: rows of {width} numbers are wanted");
    shape[0]
}

/// (image | condition)
#[track_caller]
fn split<F: Real>(y: Var<'_, F>, pixels: usize) -> (Var<'_, F>, Option<Var<'_, F>>) {
    let width = y.shape().last();
    if width == pixels { (y, None) } else { (y.columns(0..pixels), Some(y.columns(pixels..width))) }
}

#[track_caller]
fn join<'t, F: Real>(h: Var<'t, F>, condition: Option<Var<'t, F>>) -> Var<'t, F> {
    condition.map_or(h, |condition| Var::concatenate(&[h, condition], 1))
}
