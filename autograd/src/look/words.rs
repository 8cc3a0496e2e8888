//! A trace as text: formulas with names and with numbers, and a table.

use std::fmt;

use super::formula::{Formula, Rule, fill, formula, names, short};
use super::{BackwardStep, Contribution, Trace, TraceNode};
use crate::{Real, Shape};

/// How many columns a line has.
const COLUMNS: usize = 80;

/// The most numbers of an array that are put into a formula.
const IN_FORMULA: usize = 6;

/// The most numbers of an array that stand in a table; of a larger one stand half as many.
const IN_TABLE: usize = 12;

/// The most numbers of an array that stand on one line.
const UNBROKEN: usize = 4;

/// The macron, which stands on the character before it and takes no column.
const BAR: char = '\u{304}';

impl<F: Real> Trace<F> {
    /// What the node at this place computes, such as `tanh v₃`, or `v₀[4..6]` for a view of two numbers that begins with the
    /// fifth; "parameter" or "constant" for these.
    ///
    /// # Panics
    /// If there is no such node.
    #[track_caller]
    pub fn formula(&self, node: usize) -> String {
        self.value_text(node, |of| Some(self.nodes[of].name.clone())).expect("all nodes have names")
    }

    /// The same with numbers in the place of the inputs' names, such as `tanh 0.4`. `None` for what is not computed:
    /// parameters, constants and views; and if an input has more than six numbers.
    ///
    /// # Panics
    /// If there is no such node.
    #[track_caller]
    pub fn formula_in_numbers(&self, node: usize) -> Option<String> {
        let is_computed = self.nodes[node].start.is_none() && !self.nodes[node].inputs.is_empty();
        let number = |of: usize| numbers(&self.nodes[of].value, self.nodes[of].shape);
        is_computed.then(|| self.value_text(node, number)).flatten()
    }

    /// The name of the adjoint of the node at this place, such as `v̄₃`.
    ///
    /// # Panics
    /// If there is no such node.
    #[track_caller]
    pub fn adjoint_name(&self, node: usize) -> String {
        let mut name = self.nodes[node].name.clone();
        let second = name.char_indices().nth(1).map_or(name.len(), |(at, _)| at);
        name.insert(second, BAR);
        name
    }

    /// What a step of the backward pass adds to the adjoint of an input, such as `(1 − v₄²) · v̄₄`.
    pub fn rule(&self, step: &BackwardStep<F>, sent: &Contribution<F>) -> String {
        let name = |of: usize| Some(self.nodes[of].name.clone());
        self.rule_text(step, sent, name, Some(self.adjoint_name(step.node))).expect("all nodes have names")
    }

    /// The same with numbers in the place of names, such as `(1 − 0.3799²) · 3.016`. `None` if an array has more than six
    /// numbers.
    pub fn rule_in_numbers(&self, step: &BackwardStep<F>, sent: &Contribution<F>) -> Option<String> {
        let number = |of: usize| numbers(&self.nodes[of].value, self.nodes[of].shape);
        self.rule_text(step, sent, number, numbers(&step.adjoint, self.nodes[step.node].shape))
    }

    /// Where the adjoint of the node at this place came from, such as `from v₃, v₅`: once for every use of the node; or "from
    /// views" of it, or that it is the loss.
    ///
    /// # Panics
    /// If there is no such node.
    #[track_caller]
    pub fn origin(&self, node: usize) -> String {
        let senders: Vec<&str> = self.arrivals(node).map(|(from, _)| &*self.nodes[from].name).collect();
        let views = self.backward.iter().map(|step| &self.nodes[step.node]);
        let mut views: Vec<&str> = views
            .filter(|view| view.start.is_some() && view.inputs[0] == node)
            .map(|view| &*view.name)
            .collect();
        views.reverse();
        match (senders.is_empty(), views.is_empty()) {
            (true, true) => "the loss".to_owned(),
            (false, true) => format!("from {}", senders.join(", ")),
            (true, false) => format!("from views {}", views.join(", ")),
            (false, false) => format!("from {}; from views {}", senders.join(", "), views.join(", ")),
        }
    }

    fn value_text(&self, node: usize, name: impl Fn(usize) -> Option<String>) -> Option<String> {
        let of = &self.nodes[node];
        if let Some(start) = of.start {
            let end = start + of.value.len();
            return Some(format!("{}[{start}..{end}]", name(of.inputs[0])?));
        }
        if of.inputs.is_empty() {
            return Some(of.operation.to_owned());
        }
        let inputs: Vec<String> = of.inputs.iter().map(|&input| name(input)).collect::<Option<_>>()?;
        Some(match formula_of(of) {
            Some(formula) => fill(formula.value, |part| self.part(node, part, &inputs, &of.name, "")),
            None => {
                let attributes = of.attributes.iter().map(|(name, text)| format!("; {name} = {text}"));
                format!("{}({}{})", of.operation, inputs.join(", "), attributes.collect::<String>())
            }
        })
    }

    fn rule_text(
        &self,
        step: &BackwardStep<F>,
        sent: &Contribution<F>,
        name: impl Fn(usize) -> Option<String>,
        adjoint: Option<String>,
    ) -> Option<String> {
        let (node, of) = (step.node, &self.nodes[step.node]);
        let inputs: Vec<String> = of.inputs.iter().map(|&input| name(input)).collect::<Option<_>>()?;
        let (y, dy) = (name(node)?, adjoint?);
        let filled = |text: &str| fill(text, |part| self.part(node, part, &inputs, &y, &dy));
        Some(match formula_of(of).map(|formula| formula.rule) {
            Some(Rule::Slopes(slopes)) => {
                // What was repeated gets the sum over the repetitions.
                let sum = if sent.added.len() == of.value.len() { "" } else { "Σ " };
                format!("{sum}{} · {dy}", filled(slopes[sent.input]))
            }
            Some(Rule::Adjoints(texts)) => filled(texts[sent.input.min(texts.len() - 1)]),
            None => format!("(∂{}/∂{})ᵀ {dy}", of.name, self.nodes[sent.to].name),
        })
    }

    /// What stands in the place of a name in braces.
    fn part(&self, node: usize, part: &str, inputs: &[String], y: &str, dy: &str) -> String {
        match part {
            "y" => y.to_owned(),
            "dy" => dy.to_owned(),
            "*" => inputs.join(", "),
            _ => {
                let input = part.parse().ok().and_then(|input: usize| inputs.get(input));
                let attribute = || {
                    let found = self.nodes[node].attributes.iter().find(|(name, _)| *name == part);
                    let (_, text) = found.expect("a formula has known names only");
                    text.parse().map_or_else(|_| text.clone(), |number| bracketed(short(number)))
                };
                input.cloned().unwrap_or_else(attribute)
            }
        }
    }
}

/// The formula of an operation, if all attributes that it names are there. (One from outside may have the name of one of this
/// crate, and other attributes.)
fn formula_of<F: Real>(of: &TraceNode<F>) -> Option<Formula> {
    let formula = formula(of.operation, of.inputs.len())?;
    let is_attribute = |name: &str| of.attributes.iter().any(|(known, _)| *known == name);
    let is_known = |name: &str| {
        ["y", "dy", "*"].contains(&name)
            || name.parse().is_ok_and(|input: usize| input < of.inputs.len())
            || is_attribute(name)
    };
    let (Rule::Slopes(rules) | Rule::Adjoints(rules)) = formula.rule;
    let is_whole = rules.iter().chain([&formula.value]).flat_map(|text| names(text)).all(is_known);
    is_whole.then_some(formula)
}

/// The numbers of an array as they stand in a formula, if there are few.
fn numbers<F: Real>(values: &[F], shape: Shape) -> Option<String> {
    match values {
        [value] => Some(bracketed(short(value.to_f64()))),
        _ if values.len() <= IN_FORMULA => Some(nested(values, shape.dims())),
        _ => None,
    }
}

/// In parentheses, if it is negative.
fn bracketed(number: String) -> String {
    if number.starts_with('−') { format!("({number})") } else { number }
}

fn nested<F: Real>(values: &[F], dims: &[usize]) -> String {
    let parts: Vec<String> = match dims {
        [count, inner @ ..] if !inner.is_empty() && !values.is_empty() => {
            values.chunks(values.len() / count).map(|part| nested(part, inner)).collect()
        }
        _ => values.iter().map(|value| short(value.to_f64())).collect(),
    };
    format!("[{}]", parts.join(", "))
}

/// The numbers of an array behind a word, in pieces between which a line can end; of many the first ones.
fn list<F: Real>(word: &str, values: &[F]) -> Vec<String> {
    if let [value] = values {
        return vec![format!("{word} {}", short(value.to_f64()))];
    }
    let shown = if values.len() <= IN_TABLE { values.len() } else { IN_TABLE / 2 };
    let mut pieces: Vec<String> = values[..shown].iter().map(|value| short(value.to_f64()) + ",").collect();
    if shown < values.len() {
        pieces.push(format!("… {} numbers", values.len()));
    } else if let Some(last) = pieces.last_mut() {
        last.pop();
    } else {
        pieces.push(String::new());
    }
    pieces[0].insert_str(0, &format!("{word} ["));
    pieces.last_mut().expect("one at least").push(']');
    if values.len() <= UNBROKEN { vec![pieces.join(" ")] } else { pieces }
}

/// How many columns a text takes.
fn width(text: &str) -> usize {
    text.chars().filter(|&char| char != BAR).count()
}

/// `head`, then the parts, each on the line that is begun if it fits there, else on a new one that is indented. What does not
/// fit on a line is cut.
fn write_parts(f: &mut fmt::Formatter<'_>, head: &str, indent: usize, parts: &[String]) -> fmt::Result {
    let mut line = head.to_owned();
    let mut is_begun = false;
    for part in parts {
        if is_begun && width(&line) + width(part) + 1 > COLUMNS {
            writeln!(f, "{line}")?;
            line = " ".repeat(indent);
            is_begun = false;
        }
        let part = if is_begun { part } else { part.trim_start() };
        line += if is_begun { " " } else { "" };
        let room = COLUMNS - width(&line).min(COLUMNS);
        if width(part) > room {
            let kept = part.char_indices().filter(|(_, char)| *char != BAR).nth(room.saturating_sub(1));
            line += &part[..kept.map_or(0, |(at, _)| at)];
            line += "…";
        } else {
            line += part;
        }
        is_begun = true;
    }
    writeln!(f, "{}", line.trim_end())
}

/// Columns of the operation's name at most; a longer one takes more.
const NAME: usize = 10;

impl<F: Real> fmt::Display for Trace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = |node: usize, what: &str| {
            let found = self.non_finite.as_ref().filter(|found| (found.node, found.what) == (node, what));
            found.map(|_| " <- not finite from here on".to_owned())
        };
        writeln!(f, "forward, from the first node to the last")?;
        let shapes = self.nodes.iter().map(|node| node.shape.to_string().len()).fold(5, usize::max).min(14);
        writeln!(f, "{:>4}  {:NAME$}  {:shapes$}  value", "node", "operation", "shape")?;
        for (place, node) in self.nodes.iter().enumerate() {
            let head = format!("{place:>4}  {:NAME$}  {:shapes$}  ", node.operation, node.shape.to_string());
            let indent = 4 + 2 + NAME + 2 + shapes + 2;
            let mut parts = vec![node.name.clone()];
            if !node.inputs.is_empty() {
                parts.push(format!("= {}", self.formula(place)));
            }
            parts.extend(list("=", &node.value));
            match (&node.adjoint, node.is_reached) {
                (None, _) => parts.push(" (no adjoint)".to_owned()),
                (Some(_), false) => parts.push(" (the loss does not depend on it)".to_owned()),
                (Some(_), true) => {}
            }
            parts.extend(here(place, "value"));
            write_parts(f, &head, indent, &parts)?;
        }
        if self.backward.is_empty() {
            return writeln!(f, "backward: nothing to do, the loss depends on no parameter");
        }
        writeln!(f, "backward, from the last node to the first")?;
        writeln!(f, "{:>4}  {:NAME$}  adjoint as it arrives, and what is sent on", "node", "operation")?;
        for step in &self.backward {
            self.write_step(f, step, here(step.node, "adjoint"))?;
        }
        match &self.non_finite {
            Some(found) => {
                let words: Vec<String> = found.to_string().split(' ').map(str::to_owned).collect();
                write_parts(f, "", 0, &words)
            }
            None => Ok(()),
        }
    }
}

impl<F: Real> Trace<F> {
    fn write_step(
        &self,
        f: &mut fmt::Formatter<'_>,
        step: &BackwardStep<F>,
        mark: Option<String>,
    ) -> fmt::Result {
        let node = &self.nodes[step.node];
        let indent = 4 + 2 + NAME + 2;
        let head = format!("{:>4}  {:NAME$}  ", step.node, node.operation);
        let mut parts = vec![self.adjoint_name(step.node)];
        parts.extend(list("=", &step.adjoint));
        parts.push(match node.start {
            Some(_) => format!(" (a part of {})", self.adjoint_name(node.inputs[0])),
            None => format!(" ({})", self.origin(step.node)),
        });
        parts.extend(node.difference.iter().flat_map(|difference| list(" by difference", difference)));
        parts.extend(mark);
        write_parts(f, &head, indent, &parts)?;
        for sent in &step.contributions {
            let to = &self.nodes[sent.to].name;
            let mut parts = vec![format!("{} += {}", self.adjoint_name(sent.to), self.rule(step, sent))];
            parts.extend(list("=", &sent.added));
            if let Some(local) = &sent.local {
                parts.extend(list(&format!(" ∂{}/∂{to} =", node.name), local));
            }
            parts.extend(sent.difference.iter().flat_map(|difference| list(" by difference", difference)));
            write_parts(f, &(" ".repeat(indent - 2) + "> "), indent + 2, &parts)?;
        }
        Ok(())
    }
}
