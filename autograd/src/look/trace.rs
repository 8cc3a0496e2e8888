//! A forward and a backward pass, step by step, with all numbers.

use std::sync::Arc;

use super::NonFinite;
use super::formula::{Rule, formula};
use crate::tape::adjoints::Adjoints;
use crate::tape::nodes::{Kind, Node, Nodes, Place};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Tape, Var};

/// All that a forward and a backward pass computed, step by step: see [`Tape::trace`]. It prints as a table of at most 80
/// columns, in which long arrays are cut short.
///
/// A node is called v₀, v₁, … by its place in the list, unless [`rename`](Self::rename) gives it another name; v̄₀, v̄₁, … are the
/// adjoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<F> {
    /// What was recorded up to the loss, in the order in which it was computed: the steps of the forward pass.
    pub nodes: Vec<TraceNode<F>>,
    /// The steps of the backward pass, in the order in which they happen, from the loss to the first node. Nodes on which the
    /// loss does not depend, and those without an adjoint, have none.
    pub backward: Vec<BackwardStep<F>>,
    /// The first number that is not finite, in the order in which numbers are computed: first values, then adjoints.
    pub non_finite: Option<NonFinite>,
}

/// A node of a [`Trace`].
#[derive(Clone, Debug, PartialEq)]
pub struct TraceNode<F> {
    /// What it is called in formulas.
    pub name: String,
    /// The operation's name, or "parameter", "constant" or "view".
    pub operation: &'static str,
    /// What the value depends on beside the inputs, by name.
    pub attributes: Vec<(&'static str, String)>,
    /// The places of its inputs in the list of nodes; that of a view is the array of which it shows a part.
    pub inputs: Vec<usize>,
    /// Which element of its input a view begins with; `None` if it is no view.
    pub start: Option<usize>,
    /// The shape of the value.
    pub shape: Shape,
    /// The value.
    pub value: Vec<F>,
    /// ∂loss/∂value at the end of the backward pass; `None` if the node depends on no parameter.
    pub adjoint: Option<Vec<F>>,
    /// Whether the loss depends on the node: whether the backward pass added to its adjoint, be it zeros.
    pub is_reached: bool,
    /// ∂loss/∂value by finite differences, only of [`Tape::trace_with_differences`].
    pub difference: Option<Vec<F>>,
}

/// A step of the backward pass: a node's turn.
#[derive(Clone, Debug, PartialEq)]
pub struct BackwardStep<F> {
    /// The node's place in the list.
    pub node: usize,
    /// ȳ, its adjoint as it arrived here: all that depends on the node has added to it.
    pub adjoint: Vec<F>,
    /// What the node then adds to the adjoints of its inputs, by input. Parameters add nothing, and neither do views: the
    /// adjoint of a view is a part of the adjoint of what it shows.
    pub contributions: Vec<Contribution<F>>,
}

/// What one step of the backward pass adds to one adjoint: x̄ += (∂y/∂x)ᵀ ȳ.
///
/// An operation that uses a value twice, as x · x does, makes two contributions to its adjoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution<F> {
    /// Which input of the operation x is, counted from 0.
    pub input: usize,
    /// The place of x in the list of nodes.
    pub to: usize,
    /// What is added to x̄.
    pub added: Vec<F>,
    /// ∂y/∂x, if it has as many numbers as x: where y is a single number, and where the operation works element by element
    /// on an x of y's shape.
    pub local: Option<Vec<F>>,
    /// The same by finite differences, only of [`Tape::trace_with_differences`].
    pub difference: Option<Vec<F>>,
}

impl<F: Real> Trace<F> {
    /// The node of a variable, which lies on the traced tape.
    ///
    /// # Panics
    /// If it was recorded after the loss.
    #[track_caller]
    pub fn node(&self, var: Var<'_, F>) -> &TraceNode<F> {
        &self.nodes[self.place(var)]
    }

    /// Gives the node of a variable a name, to be read in formulas.
    ///
    /// # Panics
    /// If it was recorded after the loss.
    #[track_caller]
    pub fn rename(&mut self, var: Var<'_, F>, name: &str) {
        let place = self.place(var);
        self.nodes[place].name = name.to_owned();
    }

    /// What was added to the adjoint of the node at this place, each with the place of the node that sent it, in the order of
    /// the backward pass. What was added by way of views of it is not among them.
    pub fn arrivals(&self, node: usize) -> impl Iterator<Item = (usize, &Contribution<F>)> {
        let sent =
            self.backward.iter().flat_map(|step| step.contributions.iter().map(|sent| (step.node, sent)));
        sent.filter(move |(_, contribution)| contribution.to == node)
    }

    /// The place of a variable's node among [`nodes`](Self::nodes).
    ///
    /// # Panics
    /// If it was recorded after the loss.
    #[track_caller]
    pub fn place(&self, var: Var<'_, F>) -> usize {
        let (place, count) = (var.index(), self.nodes.len());
        assert!(place < count, "trace: expected one of the {count} nodes up to the loss, found node {place}");
        place
    }
}

impl<F: Real> Tape<F> {
    /// Values, adjoints, and what each operation adds to the adjoint of each of its inputs, for every node up to `loss`: all
    /// numbers of the forward and the backward pass, to be looked at.
    ///
    /// The backward pass is run step by step into memory of its own. Nothing on the tape changes. All is copied, so that it
    /// suits small tapes.
    ///
    /// # Panics
    /// If `loss` is not a scalar, or lies on another tape.
    ///
    /// ```
    /// # use autograd::Tape;
    /// let tape = Tape::new();
    /// let x = tape.parameter(&[3.0], []);
    /// let y = x * x;
    /// let trace = tape.trace(y);
    ///
    /// // From the last step to the first: y sends ȳ = 1 times x to x̄, twice.
    /// let step = &trace.backward[0];
    /// assert_eq!(step.adjoint, [1.0]);
    /// let sent: Vec<f64> = step.contributions.iter().map(|contribution| contribution.added[0]).collect();
    /// assert_eq!(sent, [3.0, 3.0]);
    /// assert_eq!(trace.node(x).adjoint, Some(vec![6.0]));
    /// println!("{trace}");
    /// ```
    #[track_caller]
    pub fn trace(&self, loss: Var<'_, F>) -> Trace<F> {
        assert!(std::ptr::eq(self, loss.tape()), "trace: the loss lies on another tape");
        assert!(loss.size() == 1, "trace: {}: expected a scalar loss", loss.shape());
        let nodes = self.nodes.borrow();
        let list = &nodes.list[..=loss.index()];
        let mut adjoints = self.begin_backward(&nodes, &[(loss, &[F::ONE])]);
        let mut backward = Vec::new();
        for (place, node) in list.iter().enumerate().rev() {
            let Some((dy, _)) = node.adjoint_range().and_then(|range| adjoints.split_at(range)) else {
                continue;
            };
            let adjoint = dy.to_vec();
            let contributions = nodes.contributions(node, &adjoint);
            nodes.step_back(node, &mut adjoints);
            backward.push(BackwardStep { node: place, adjoint, contributions });
        }
        let reached = |node: &Node<F>| node.adjoint_range().is_some_and(|range| adjoints.reach(range));
        let reached: Vec<bool> = list.iter().map(reached).collect();
        adjoints.finish();
        let traced = list.iter().zip(reached).enumerate().map(|(place, (node, is_reached))| {
            let adjoint = node.adjoint_range().and_then(|range| adjoints.get(range)).map(<[F]>::to_vec);
            nodes.traced(place, node, adjoint, is_reached)
        });
        let traced: Vec<_> = traced.collect();
        self.spare.borrow_mut().push(adjoints);

        let mut values = traced.iter().zip(list).enumerate();
        let value =
            values.find_map(|(place, (traced, node))| node.first_non_finite(place, "value", &traced.value));
        let adjoint =
            |step: &BackwardStep<F>| list[step.node].first_non_finite(step.node, "adjoint", &step.adjoint);
        let non_finite = value.or_else(|| backward.iter().find_map(adjoint));
        Trace { nodes: traced, backward, non_finite }
    }

    /// A [`trace`](Self::trace) with finite differences beside the derivatives: of the loss with respect to every value that
    /// depends on a parameter, and of each operation alone beside its local derivatives.
    ///
    /// The differences are central ones of four points at x ± h and x ± 2h, h = 0.001 max(1, |x|). Their error falls with h⁴. It
    /// is large where the function has a kink or an end of its domain nearby. Everything behind a value is computed anew on a
    /// copy of the values, four times for each of its elements.
    ///
    /// # Panics
    /// If `loss` is not a scalar, or lies on another tape.
    #[track_caller]
    pub fn trace_with_differences(&self, loss: Var<'_, F>) -> Trace<F> {
        let mut trace = self.trace(loss);
        let nodes = self.nodes.borrow();
        for (place, traced) in trace.nodes.iter_mut().enumerate().filter(|(_, node)| node.adjoint.is_some()) {
            traced.difference = Some(nodes.differences(place, loss.index()));
        }
        for step in &mut trace.backward {
            for contribution in step.contributions.iter_mut().filter(|sent| sent.local.is_some()) {
                let node = &nodes.list[step.node];
                contribution.difference = Some(nodes.local_differences(node, contribution.input));
            }
        }
        trace
    }
}

/// The inputs of a node, each copied and with an adjoint of its own: what is added through one of them is kept apart from what
/// is added through another, even where both are the same array.
struct Apart<F> {
    nodes: Vec<Node<F>>,
    edges: Vec<u32>,
    values: Vec<F>,
    adjoint_size: usize,
}

impl<F: Real> Nodes<F> {
    fn apart(&self, node: &Node<F>) -> Apart<F> {
        let mut apart = Apart { nodes: Vec::new(), edges: Vec::new(), values: Vec::new(), adjoint_size: 0 };
        for (edge, &input) in self.edges[node.inputs.clone()].iter().enumerate() {
            let input = &self.list[input as usize];
            let adjoint = input.adjoint.map(|_| apart.adjoint_size);
            apart.adjoint_size += if adjoint.is_some() { input.shape.size() } else { 0 };
            let value = Place::Tape(apart.values.len());
            apart.values.extend(self.value(input));
            let (kind, shape) = (Kind::Constant, input.shape);
            apart.nodes.push(Node { kind, shape, inputs: 0..0, value, aux: 0, adjoint });
            apart.edges.push(edge as u32);
        }
        apart
    }

    /// What the node adds to the adjoint of each of its inputs, given its own.
    fn contributions(&self, node: &Node<F>, dy: &[F]) -> Vec<Contribution<F>> {
        let Kind::Op(op) = &node.kind else { return Vec::new() };
        let apart = self.apart(node);
        let sent = self.sent(&**op, node, &apart, dy);
        let locals = self.sent(&**op, node, &apart, &vec![F::ONE; dy.len()]);
        let edges = &self.edges[node.inputs.clone()];
        let is_elementwise =
            formula(op.name(), edges.len()).is_some_and(|formula| matches!(formula.rule, Rule::Slopes(_)));
        let all = edges.iter().zip(sent).zip(locals).enumerate();
        let contributions = all.filter_map(|(input, ((&to, added), local))| {
            let has_local = dy.len() == 1 || is_elementwise && apart.nodes[input].shape == node.shape;
            let (added, local) = (added?, local.filter(|_| has_local));
            Some(Contribution { input, to: to as usize, added, local, difference: None })
        });
        contributions.collect()
    }

    /// What the operation adds to the adjoints of its inputs; `None` where it adds nothing.
    fn sent(&self, op: &dyn Op<F>, node: &Node<F>, apart: &Apart<F>, dy: &[F]) -> Vec<Option<Vec<F>>> {
        let mut adjoints = Adjoints::default();
        adjoints.reset(apart.adjoint_size);
        let (y, aux) = self.output(node);
        let x = self.inputs_apart(apart);
        op.backward(&x, y, aux, dy, &mut InputAdjoints { x, sums: adjoints.sums() });
        let reached = |input: &Node<F>| input.adjoint_range().filter(|range| adjoints.reach(range.clone()));
        let ranges: Vec<_> = apart.nodes.iter().map(reached).collect();
        adjoints.finish();
        let added = |range| adjoints.get(range).expect("the range is one of them").to_vec();
        ranges.into_iter().map(|range| range.map(added)).collect()
    }

    fn inputs_apart<'a>(&'a self, apart: &'a Apart<F>) -> Inputs<'a, F> {
        let Apart { nodes, edges, values, .. } = apart;
        Inputs { nodes, edges, values, shared: &[], scratch: &self.scratch }
    }

    fn traced(
        &self,
        place: usize,
        node: &Node<F>,
        adjoint: Option<Vec<F>>,
        is_reached: bool,
    ) -> TraceNode<F> {
        let inputs: Vec<usize> = self.edges[node.inputs.clone()].iter().map(|&i| i as usize).collect();
        let start = match &node.kind {
            Kind::View => Some(distance(self.list[inputs[0]].value, node.value)),
            _ => None,
        };
        TraceNode {
            name: format!("v{}", subscript(place)),
            operation: node.name(),
            attributes: if let Kind::Op(op) = &node.kind { op.attributes() } else { Vec::new() },
            inputs,
            start,
            shape: node.shape,
            value: self.value(node).to_vec(),
            adjoint,
            is_reached,
            difference: None,
        }
    }

    /// ∂y/∂x by finite differences for every element of an input x of the node; y is its value, or what of it lies in the
    /// place of the element, if there is as much of y as of x.
    fn local_differences(&self, node: &Node<F>, input: usize) -> Vec<F> {
        let Kind::Op(op) = &node.kind else { unreachable!("only operations contribute") };
        let mut apart = self.apart(node);
        let (size, shape) = (node.shape.size(), apart.nodes[input].shape);
        let Place::Tape(start) = apart.nodes[input].value else { unreachable!("inputs are copied") };
        let (mut y, mut aux) = (vec![F::ZERO; size], vec![F::ZERO; node.aux]);
        let mut along = |element: usize| {
            difference(apart.values[start + element], |x| {
                let before = std::mem::replace(&mut apart.values[start + element], x);
                op.forward(&self.inputs_apart(&apart), &mut y, &mut aux);
                apart.values[start + element] = before;
                y[if size == 1 { 0 } else { element }]
            })
        };
        (0..shape.size()).map(&mut along).collect()
    }

    /// ∂loss/∂value by finite differences for every element of the node's value. Views see what they show change.
    fn differences(&self, place: usize, loss: usize) -> Vec<F> {
        // What a view shows was computed where that was.
        let mut root = place;
        while let Kind::View = self.list[root].kind {
            root = self.edges[self.list[root].inputs.start] as usize;
        }
        let (node, last) = (&self.list[place], &self.list[loss]);
        let mut values = self.values[..self.used].to_vec();
        let mut shared: Vec<Arc<Vec<F>>> =
            self.shared.iter().map(|vector| Arc::new(vector.to_vec())).collect();
        let mut along = |element: usize| {
            difference(self.value(node)[element], |x| {
                values.copy_from_slice(&self.values[..self.used]);
                match node.value {
                    Place::Tape(start) => values[start + element] = x,
                    Place::Shared { vector, start } => {
                        Arc::make_mut(&mut shared[vector])[start + element] = x
                    }
                }
                for node in &self.list[root + 1..=loss] {
                    let (Kind::Op(op), Place::Tape(start)) = (&node.kind, node.value) else { continue };
                    let (before, from) = values.split_at_mut(start);
                    let (y, aux) = from[..node.shape.size() + node.aux].split_at_mut(node.shape.size());
                    op.forward(&Inputs { values: before, shared: &shared, ..self.inputs(node) }, y, aux);
                }
                let result = last.value.slice(&values, &shared, 1)[0];
                if let Place::Shared { vector, .. } = node.value {
                    Arc::make_mut(&mut shared[vector]).copy_from_slice(&self.shared[vector]);
                }
                result
            })
        };
        (0..node.shape.size()).map(&mut along).collect()
    }
}

/// f′(x) = (8 (f(x + h) − f(x − h)) − (f(x + 2h) − f(x − 2h))) / 12h, with an error of h⁴/30 f⁽⁵⁾
fn difference<F: Real>(x: F, mut f: impl FnMut(F) -> F) -> F {
    let h = F::from_f64(1e-3 * x.to_f64().abs().max(1.0));
    let mut across = |h: F| f(x + h) - f(x - h);
    (F::from_f64(8.0) * across(h) - across(h + h)) / (F::from_f64(12.0) * h)
}

/// How many elements behind `from` another place in the same memory lies.
fn distance(from: Place, to: Place) -> usize {
    match (from, to) {
        (Place::Tape(from), Place::Tape(to))
        | (Place::Shared { start: from, .. }, Place::Shared { start: to, .. }) => to - from,
        _ => unreachable!("a view lies in the memory of what it shows"),
    }
}

/// A number as a subscript.
fn subscript(number: usize) -> String {
    number
        .to_string()
        .chars()
        .map(|digit| ('₀'..='₉').nth(digit as usize - '0' as usize).unwrap_or(digit))
        .collect()
}
