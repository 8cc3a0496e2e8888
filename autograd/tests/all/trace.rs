//! A trace: all numbers of both passes, what each step adds to which adjoint, and how it prints.

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;
use autograd::look::{NonFinite, Trace, TraceNode, short};
use autograd::ops::{Elementwise, Map, Nonlinearity, TriangularSystem};
use autograd::{InputAdjoints, Inputs, Op, Real, Shape, Tape, Var};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() }
}

/// The network of the guide's first section.
fn network(tape: &Tape<f64>) -> (Var<'_, f64>, Var<'_, f64>) {
    let theta = tape.parameter(&[0.5, -0.3, 0.2, 0.4, 0.1, -0.1, 1.0, -2.0, 0.3], [9]);
    let x = tape.constant(&[1.0, -1.0], [1, 2]);
    let h = (x.matmul(theta.view(0, [2, 2])) + theta.view(4, [2])).tanh();
    (theta, (0.5 - (h.matmul(theta.view(6, [2, 1])) + theta.view(8, [1]))).square().sum())
}

/// The sum of what was added to the adjoint of a node, also by way of views of it.
fn total<F: Real>(trace: &Trace<F>, node: usize, sum: &mut [F]) {
    for (_, sent) in trace.arrivals(node) {
        sum.iter_mut().zip(&sent.added).for_each(|(sum, &added)| *sum += added);
    }
    for (view, of) in trace.nodes.iter().enumerate() {
        if let Some(start) = of.start.filter(|_| of.inputs[0] == node) {
            total(trace, view, &mut sum[start..start + of.value.len()]);
        }
    }
}

/// What holds for every trace.
#[track_caller]
fn hold(trace: &Trace<f64>, tape: &Tape<f64>, loss: Var<'_, f64>, vars: &[Var<'_, f64>]) {
    let gradients = tape.backward(loss);
    for &var in vars {
        let node = trace.node(var);
        assert_eq!((&node.value, node.shape), (&var.to_vec(), var.shape()));
        if let Some(adjoint) = &node.adjoint {
            let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(adjoint), bits(gradients.wrt(var)), "{}", node.name);
            assert_eq!(node.is_reached, gradients.reaches(var));
        }
    }
    let steps = &trace.backward;
    assert!(steps.windows(2).all(|pair| pair[0].node > pair[1].node));
    for step in steps {
        let node = &trace.nodes[step.node];
        assert!(node.is_reached && (node.start.is_none() || step.contributions.is_empty()));
        if step.node + 1 < trace.nodes.len()
            && !trace.nodes[step.node].value.is_empty()
            && node.start.is_none()
        {
            // All that depends on the node has had its turn.
            assert_close(&step.adjoint, node.adjoint.as_ref().unwrap(), 1e-14);
        }
        for sent in &step.contributions {
            assert_eq!(node.inputs[sent.input], sent.to);
            assert_eq!(sent.added.len(), trace.nodes[sent.to].value.len());
            let Some(local) = &sent.local else { continue };
            // The local derivative times ȳ is what is added.
            let dy = |i: usize| step.adjoint[if step.adjoint.len() == 1 { 0 } else { i }];
            let product: Vec<f64> = local.iter().enumerate().map(|(i, local)| local * dy(i)).collect();
            assert_close(&sent.added, &product, 1e-12);
        }
    }
    let last = trace.nodes.len() - 1;
    for (place, node) in trace.nodes.iter().enumerate().filter(|(place, _)| *place != last) {
        let Some(adjoint) = node.adjoint.as_ref().filter(|_| node.start.is_none()) else { continue };
        let mut sum = vec![0.0; adjoint.len()];
        total(trace, place, &mut sum);
        assert_close(&sum, adjoint, 1e-12);
    }
}

#[test]
fn the_network_of_the_guide_has_the_numbers_of_the_hand_derivation() {
    let tape = dirty_tape();
    let (theta, loss) = network(&tape);
    let trace = tape.trace_with_differences(loss);
    hold(&trace, &tape, loss, &[theta, loss]);
    // δ⁽²⁾ = −2 (Y − f) is the last bias's adjoint; see the guide.
    assert_close(&trace.node(theta).adjoint.as_ref().unwrap()[8..], &[3.016], 1e-4);
    for node in trace.nodes.iter().filter(|node| node.adjoint.is_some()) {
        assert_close(node.difference.as_ref().unwrap(), node.adjoint.as_ref().unwrap(), 1e-9);
    }
    let sent = trace.backward.iter().flat_map(|step| &step.contributions);
    let compared: Vec<_> =
        sent.filter_map(|sent| sent.local.as_ref().zip(sent.difference.as_ref())).collect();
    assert!(compared.len() >= 6, "{compared:?}");
    compared.iter().for_each(|(local, difference)| assert_close(difference, local, 1e-9));
    // Nothing on the tape has changed, and a second trace is the same.
    assert_eq!(tape.trace_with_differences(loss), trace);
    assert!(tape.trace(loss).nodes.iter().all(|node| node.difference.is_none()));
}

#[test]
fn a_value_that_is_used_twice_gets_two_contributions() {
    let tape = dirty_tape();
    let x = tape.parameter(&[3.0, -1.0], [2]);
    let y = x * x;
    let loss = y.sum();
    let trace = tape.trace_with_differences(loss);
    hold(&trace, &tape, loss, &[x, y, loss]);
    let arrived: Vec<_> =
        trace.arrivals(0).map(|(from, sent)| (from, sent.input, sent.added.clone())).collect();
    assert_eq!(arrived, [(1, 0, vec![3.0, -1.0]), (1, 1, vec![3.0, -1.0])]);
    // Each edge has a derivative of its own.
    for (_, sent) in trace.arrivals(0) {
        assert_eq!(sent.local, Some(vec![3.0, -1.0]));
        assert_close(sent.difference.as_ref().unwrap(), &[3.0, -1.0], 1e-10);
    }
}

#[test]
fn a_view_shares_the_adjoint_of_what_it_shows_and_sends_nothing() {
    let tape = dirty_tape();
    let shared = std::sync::Arc::new(vec![1.0, 2.0, 3.0, 4.0]);
    let theta = tape.shared_parameter(&shared, [4]);
    let (matrix, tail) = (theta.reshape([2, 2]), theta.view(1, [3]));
    let inner = matrix.rows(1..2);
    let loss = (inner.square().sum() + tail.exp().sum()) * 0.5 + theta.sum();
    let trace = tape.trace_with_differences(loss);
    hold(&trace, &tape, loss, &[theta, matrix, tail, inner, loss]);
    let of = |node: &TraceNode<f64>| (node.operation, node.inputs.clone(), node.start);
    assert_eq!(of(trace.node(tail)), ("view", vec![0], Some(1)));
    assert_eq!(of(trace.node(inner)), ("view", vec![1], Some(2)));
    for view in [theta, matrix, tail, inner] {
        let node = trace.node(view);
        assert_close(node.difference.as_ref().unwrap(), node.adjoint.as_ref().unwrap(), 1e-9);
    }
    assert_eq!(trace.formula(2), "v₀[1..4]");
    assert_eq!(*shared, [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn what_the_loss_does_not_need_says_so() {
    let tape = dirty_tape();
    let (x, c) = (tape.parameter(&[2.0], []), tape.constant(&[3.0], []));
    let (unused, constant) = (x.sin(), c.exp());
    let loss = x * constant;
    let later = tape.parameter(&[1.0], []);
    let trace = tape.trace(loss);
    hold(&trace, &tape, loss, &[x, c, unused, constant, loss]);
    assert_eq!(trace.nodes.len(), 5);
    assert!(trace.node(c).adjoint.is_none() && trace.node(constant).adjoint.is_none());
    assert_eq!(
        (trace.node(unused).adjoint.as_deref(), trace.node(unused).is_reached),
        (Some(&[0.0][..]), false)
    );
    let table = trace.to_string();
    assert!(table.contains("sin v₀ = 0.9093  (the loss does not depend on it)"), "{table}");
    assert!(table.contains("exp v₁ = 20.09  (no adjoint)"), "{table}");
    // The factor that is a constant gets no contribution.
    assert_eq!(trace.backward[0].contributions.len(), 1);
    assert!(
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trace.node(later).name.clone())).is_err()
    );

    let trace = tape.trace(constant);
    assert_eq!((trace.backward.len(), trace.nodes.len()), (0, 4));
    assert!(trace.to_string().ends_with("backward: nothing to do, the loss depends on no parameter\n"));
    let trace = tape.trace(x);
    assert_eq!((trace.backward[0].node, &trace.backward[0].adjoint), (0, &vec![1.0]));
}

#[test]
fn numbers_are_short() {
    let numbers =
        [0.0, -0.0, 1.0, -2.5, 3.01599, 1234.56, 99999.0, 999996.0, 1e6, 1.25e-5, -1e300, 0.00012345];
    let texts =
        ["0", "0", "1", "−2.5", "3.016", "1235", "99999", "1e6", "1e6", "1.25e−5", "−1e300", "0.0001234"];
    assert_eq!(numbers.map(short), texts);
    assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(short), ["NaN", "∞", "−∞"]);
}

#[test]
fn arrays_without_numbers_and_with_many_are_kept_and_printed_short() {
    let tape = dirty_tape();
    let (none, many) = (tape.parameter(&[], [0, 3]), tape.parameter(&numbers(1, 40_000), [200, 200]));
    let loss = none.sum() + many.matmul(many).tanh().mean();
    let trace = tape.trace(loss);
    hold(&trace, &tape, loss, &[none, many, loss]);
    assert_eq!(trace.node(many).value.len(), 40_000);
    let table = trace.to_string();
    assert!(table.contains("… 40000 numbers]") && table.contains("v₀ = []"), "{table}");
    assert!(table.len() < 4000, "{table}");
}

#[test]
fn the_first_number_that_is_not_finite_is_marked() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, -2.0], [2]);
    let loss = (x.ln() * 2.0).sum();
    let trace = tape.trace_with_differences(loss);
    // As text, since NaN does not equal itself.
    let text = |found: Option<NonFinite>| found.unwrap().to_string();
    assert_eq!(text(trace.non_finite.clone()), text(tape.first_non_finite()));
    let table = trace.to_string();
    assert!(
        table.lines().all(|line| line.chars().filter(|&char| char != '\u{304}').count() <= 80),
        "{table}"
    );
    let marked: Vec<&str> = table.lines().filter(|line| line.contains("not finite from here on")).collect();
    assert_eq!(marked, ["   1  ln          [2]    v₁ = ln v₀ = [0, NaN]  <- not finite from here on"]);

    let tape = dirty_tape();
    let (x, c) = (tape.parameter(&[4.0, 0.0], [2]), tape.constant(&[1.0, 0.0], [2]));
    let loss = (x.powf(0.5) * c).sum();
    let trace = tape.trace(loss);
    // 0 · ∞ of the element that counts for nothing
    assert_eq!((trace.non_finite.as_ref().map(|found| (found.what, found.node))), Some(("adjoint", 0)));
    assert_eq!(text(trace.non_finite.clone()), text(tape.backward(loss).first_non_finite()));
    assert!(trace.to_string().contains("v̄₀ = [0.25, NaN]  (from v₂)  <- not finite"), "{trace}");
    // What follows on the tape is not a matter of this loss.
    let tape = dirty_tape();
    let finite = tape.parameter(&[1.0], []);
    let loss = finite.exp();
    let _ = finite.neg().ln();
    assert_eq!(tape.trace(loss).non_finite, None);
}

#[test]
fn fused_operations_and_linear_algebra_are_traced_with_what_they_keep() {
    let tape = dirty_tape();
    let leaf = |seed, shape: &[usize]| tape.parameter(&numbers(seed, shape.iter().product()), shape);
    let (x, w, b) = (leaf(1, &[2, 3]), leaf(2, &[3, 2]), leaf(3, &[2]));
    let h = x.dense(w, b, Nonlinearity::Tanh);
    let k = h.t_matmul(h) + tape.constant(&[2.0, 0.3, 0.3, 1.0], [2, 2]);
    let factor = k.cholesky().unwrap();
    let solved = factor.solve_triangular(h.transpose(), TriangularSystem::LX);
    let density = h.normal_log_prob(b, h.tanh());
    let all =
        [solved.sum(), density.sum(), h.softmax_axis(1).square().sum(), w.logsumexp(), k.diagonal().sum()];
    let loss = all.into_iter().reduce(|sum, x| sum + x).unwrap();
    let trace = tape.trace_with_differences(loss);
    hold(&trace, &tape, loss, &[x, w, b, h, k, factor, solved, density, loss]);
    for node in trace.nodes.iter().filter(|node| node.operation != "cholesky" && node.adjoint.is_some()) {
        // (K is symmetric: differences of one of two equal elements are not its adjoint.)
        assert_close(node.difference.as_ref().unwrap(), node.adjoint.as_ref().unwrap(), 1e-7);
    }
    assert_eq!(trace.formula(3), "tanh(v₀ v₁ + v₂)");
}

/// x³, which the crate does not know.
#[derive(Clone)]
struct Cube;

impl<F: Real> Elementwise<F> for Cube {
    const NAME: &'static str = "cube";
    fn f(&self, x: F) -> F {
        x * x * x
    }
    fn df(&self, x: F, _: F) -> F {
        F::from_f64(3.0) * x * x
    }
}

/// An own operation with attributes and two results in one array: (x y, x + c).
struct Both(f64);

impl<F: Real> Op<F> for Both {
    fn name(&self) -> &'static str {
        "both"
    }
    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("c", self.0.to_string())]
    }
    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Ok([2].into())
    }
    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        (y[0], y[1]) = (x[0][0] * x[1][0], x[0][0] + F::from_f64(self.0));
    }
    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        if let Some(dx) = dx.get(0) {
            dx[0] += x[1][0] * dy[0] + dy[1];
        }
        if let Some(dx) = dx.get(1) {
            dx[0] += x[0][0] * dy[0];
        }
    }
}

#[test]
fn operations_of_ones_own_and_several_views_of_a_result_are_traced() {
    let tape = dirty_tape();
    let (x, y) = (tape.parameter(&[2.0], []), tape.parameter(&[3.0], []));
    let both = tape.record(Both(0.5), &[x, y]);
    let (product, sum) = (both.view(0, []), both.view(1, []));
    let loss = tape.record(Map(Cube), &[product]) * sum;
    let mut trace = tape.trace_with_differences(loss);
    hold(&trace, &tape, loss, &[x, y, both, product, sum, loss]);
    assert_eq!(trace.formula(2), "both(v₀, v₁; c = 0.5)");
    assert_eq!(trace.formula_in_numbers(2).unwrap(), "both(2, 3; c = 0.5)");
    assert_eq!(trace.nodes[2].attributes, [("c", "0.5".to_owned())]);
    // Of a single number the local derivative is known, whatever the operation; of two it is not.
    let cube = trace.backward.iter().find(|step| trace.nodes[step.node].operation == "cube").unwrap();
    assert_eq!(cube.contributions[0].local, Some(vec![108.0]));
    assert_eq!(trace.rule(cube, &cube.contributions[0]), "(∂v₅/∂v₃)ᵀ v̄₅");
    let step = trace.backward.iter().find(|step| step.node == 2).unwrap();
    assert!(step.contributions.iter().all(|sent| sent.local.is_none()));
    trace.rename(both, "pair");
    assert_eq!(
        (trace.formula(3), trace.adjoint_name(2)),
        ("pair[0..1]".to_owned(), "p\u{304}air".to_owned())
    );
}

/// x y, under the name of an operation of the crate that has one input.
struct Namesake(&'static str);

impl<F: Real> Op<F> for Namesake {
    fn name(&self) -> &'static str {
        self.0
    }
    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        Ok(x[0])
    }
    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        (0..y.len()).for_each(|i| y[i] = (0..x.len()).map(|input| x[input][i]).sum());
    }
    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        for input in 0..x.len() {
            if let Some(dx) = dx.get(input) {
                (0..dy.len()).for_each(|i| dx[i] += dy[i]);
            }
        }
    }
}

#[test]
fn an_operation_with_the_name_of_another_is_not_taken_for_it() {
    let tape = dirty_tape();
    let (x, y) = (tape.parameter(&[2.0, 3.0], [2]), tape.parameter(&[5.0, 7.0], [2]));
    // The other has one input; it has an attribute that this does not have.
    let loss = tape.record(Namesake("square"), &[x, y]).sum() + tape.record(Namesake("scale"), &[x]).sum();
    let trace = tape.trace_with_differences(loss);
    assert_eq!(trace.formula(2), "square(v₀, v₁)");
    assert_eq!(trace.formula(4), "scale(v₀)");
    let step = trace.backward.iter().find(|step| step.node == 4).unwrap();
    assert_eq!(trace.rule(step, &step.contributions[0]), "(∂v₄/∂v₀)ᵀ v̄₄");
    let step = trace.backward.iter().find(|step| step.node == 2).unwrap();
    let rules: Vec<String> = step.contributions.iter().map(|sent| trace.rule(step, sent)).collect();
    assert_eq!(rules, ["(∂v₂/∂v₀)ᵀ v̄₂", "(∂v₂/∂v₁)ᵀ v̄₂"]);
    assert!(step.contributions.iter().all(|sent| sent.local.is_none()));
    assert!(trace.to_string().contains("square(v₀, v₁)"));
}

#[test]
fn formulas_stand_in_names_and_in_numbers() {
    let tape = dirty_tape();
    let x = tape.parameter(&[-0.8], []);
    let y = x.tanh();
    let z = (y * -2.0).powi(3) / (x + 1.0);
    let trace = tape.trace(z);
    let texts: Vec<_> = (1..6).map(|i| (trace.formula(i), trace.formula_in_numbers(i).unwrap())).collect();
    let expected = [
        ("tanh v₀", "tanh (−0.8)"),
        ("(−2) · v₁", "(−2) · (−0.664)"),
        ("v₂^3", "1.328^3"),
        ("v₀ + 1", "(−0.8) + 1"),
        ("v₃ / v₄", "2.342 / 0.2"),
    ];
    assert_eq!(texts, expected.map(|(names, numbers)| (names.to_owned(), numbers.to_owned())));
    let rules: Vec<_> =
        trace.backward[0].contributions.iter().map(|sent| trace.rule(&trace.backward[0], sent)).collect();
    assert_eq!(rules, ["1 / v₄ · v̄₅", "(−v₅ / v₄) · v̄₅"]);
    let step = trace.backward.iter().find(|step| step.node == 1).unwrap();
    assert_eq!(trace.rule(step, &step.contributions[0]), "(1 − v₁²) · v̄₁");
    let text = trace.rule_in_numbers(step, &step.contributions[0]).unwrap();
    assert!(text.starts_with("(1 − (−0.664)²) · (−52.9"), "{text}");
    assert_eq!((trace.formula_in_numbers(0), trace.formula(0)), (None, "parameter".to_owned()));
}

#[test]
fn the_table_fits_eighty_columns() {
    let tape = dirty_tape();
    let (theta, loss) = network(&tape);
    let long = theta.reshape([1, 9]).normal_log_prob(tape.parameter(&[1e-7; 9], [9]), theta).sum();
    let packed = theta.view(0, [3, 2]).diag_normal_kl_to_standard().sum();
    let mut trace = tape.trace_with_differences(loss * 1e9 + long + packed * 1e-9);
    trace.rename(
        theta,
        "parameters of the network with a very long name indeed that nobody would choose for it",
    );
    for line in trace.to_string().lines() {
        assert!(line.chars().filter(|&char| char != '\u{304}').count() <= 80, "{line}");
    }
    trace.rename(theta, "θ");
    let table = trace.to_string();
    assert!(table.contains("θ = [0.5, −0.3, 0.2, 0.4, 0.1, −0.1, 1, −2, 0.3]"), "{table}");
}

/// One step of a random program: which operation, and on which of the results so far.
type Step = (u8, u8, u8);

/// Runs the program on a pool of values of one shape, matrices with as many rows as columns.
fn run<'t>(pool: &mut Vec<Var<'t, f64>>, program: &[Step]) -> Var<'t, f64> {
    for &(op, i, j) in program {
        let (x, y) = (pool[i as usize % pool.len()], pool[j as usize % pool.len()]);
        pool.push(match op % 11 {
            0 => x + y,
            1 => (x * y).tanh(),
            2 => x.square() * 0.1,
            3 => x.matmul(y).sin(),
            4 => x.rows(0..1).reshape([2]) - y,
            5 => x.t_matmul(x).tanh(),
            6 => Var::concatenate(&[x.rows(1..2), y.rows(0..1)], 0),
            7 => x.softmax_axis(1),
            8 => x - y.mean(),
            9 => x.view(j as usize % 4, []) * y,
            _ => x.maximum(y * 0.5),
        });
    }
    let last = pool.len();
    let some = pool[last - 1 - program.len() / 2..].iter().map(|x| x.sin().mean());
    some.reduce(|sum, x| sum + x).expect("there are leaves")
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn of_random_graphs_contributions_sum_to_adjoints_and_differences_agree(
        leaves in 1usize..4,
        program in prop::collection::vec(any::<Step>(), 1..12),
    ) {
        let tape = dirty_tape();
        let mut pool: Vec<_> = (0..leaves).map(|i| tape.parameter(&numbers(i as u64, 4), [2, 2])).collect();
        pool.push(tape.constant(&numbers(9, 4), [2, 2]));
        let loss = run(&mut pool, &program);
        let trace = tape.trace_with_differences(loss);
        pool.push(loss);
        hold(&trace, &tape, loss, &pool);
        prop_assert_eq!(trace.non_finite.as_ref(), None);
        // A kink, where the two elements of a maximum are equal, has no derivative to compare with.
        if program.iter().all(|(op, ..)| op % 11 != 10) {
            for node in &trace.nodes {
                let Some(adjoint) = &node.adjoint else { continue };
                assert_close(node.difference.as_ref().unwrap(), adjoint, 1e-6);
            }
        }
        for line in trace.to_string().lines() {
            prop_assert!(line.chars().filter(|&char| char != '\u{304}').count() <= 80, "{}", line);
        }
    }
}

#[test]
fn numbers_in_single_precision_are_traced_too() {
    let tape = Tape::<f32>::new();
    let x = tape.parameter(&[0.5, 1.5], [2]);
    let trace = tape.trace_with_differences(x.exp().sum());
    let node = trace.node(x);
    assert_eq!(node.adjoint.as_deref(), Some(&[0.5f32.exp(), 1.5f32.exp()][..]));
    for (a, b) in node.difference.iter().flatten().zip(node.adjoint.iter().flatten()) {
        assert!((a - b).abs() < 2e-3, "{a} {b}");
    }
}

#[test]
#[should_panic(expected = "trace: [2]: expected a scalar loss")]
fn a_loss_must_be_a_scalar() {
    let tape = dirty_tape();
    let _ = tape.trace(tape.parameter(&[1.0, 2.0], [2]).exp());
}
