//! `steps.html`: one file that loads nothing and can be read without scripts.

use autograd::look::{BackwardStep, Contribution, NonFinite, Trace, TraceNode, short};

use crate::expressions::Expression;

/// The page about a computation.
pub(crate) fn page(expression: &Expression, trace: &Trace<f64>) -> String {
    let part = |name: &str| match name {
        "name" => escaped(expression.name),
        "about" => escaped(expression.about),
        "style" => include_str!("page.css").to_owned(),
        "script" => include_str!("page.js").to_owned(),
        "rows" => (0..trace.nodes.len()).map(|node| row(trace, node)).collect(),
        "mark" => trace.non_finite.as_ref().map_or_else(String::new, |found| {
            format!("<p class=\"bad\">{}</p>\n", escaped(&format!("✗ {found}")))
        }),
        "table" => escaped(&trace.to_string()),
        "data" => data(trace),
        other => unreachable!("page.html names {other}"),
    };
    let mut pieces = include_str!("page.html").split("{{");
    let mut page = pieces.next().expect("a first piece").to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("braces come in pairs");
        page += &part(name);
        page += rest;
    }
    page
}

/// Text as a part of the page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A row of the table: the node, its value, its adjoint, as the script shows them after the last step.
fn row(trace: &Trace<f64>, place: usize) -> String {
    let node = &trace.nodes[place];
    let formula = match node.inputs.is_empty() {
        true => node.name.clone(),
        false => format!("{} = {}", node.name, trace.formula(place)),
    };
    let bad = |what: &str| match &trace.non_finite {
        Some(found) if (found.node, found.what) == (place, what) => {
            "<small class=\"bad\">✗ not finite from here on</small>"
        }
        _ => "",
    };
    let note = match (&node.adjoint, node.is_reached, node.start) {
        (None, ..) => "no adjoint".to_owned(),
        (Some(_), false, _) => "0: the loss does not depend on it".to_owned(),
        (Some(_), true, Some(_)) => format!("a part of {}", trace.adjoint_name(node.inputs[0])),
        (Some(_), true, None) => String::new(),
    };
    let note = if note.is_empty() { note } else { format!("<small>{}</small>", escaped(&note)) };
    let adjoint = node.adjoint.as_ref().filter(|_| node.is_reached);
    let filled = if adjoint.is_some() { " filled done" } else { "" };
    format!(
        "<tr><th scope=\"row\">{}<i>{} {}</i></th><td class=\"value filled\">{}{}</td><td class=\"adjoint{filled}\">{}{note}{}</td></tr>\n",
        escaped(&formula),
        node.operation,
        node.shape,
        list(&node.value),
        bad("value"),
        adjoint.map_or_else(String::new, |adjoint| list(adjoint)),
        bad("adjoint"),
    )
}

fn list(values: &[f64]) -> String {
    match values {
        [value] => short(*value),
        _ => format!("[{}]", values.iter().map(|&value| short(value)).collect::<Vec<_>>().join(", ")),
    }
}

/// The trace for the script, as JSON.
fn data(trace: &Trace<f64>) -> String {
    let nodes = trace.nodes.iter().enumerate().map(|(place, node)| node_data(trace, place, node));
    let steps = trace.backward.iter().map(|step| step_data(trace, step));
    let mark = trace
        .non_finite
        .as_ref()
        .map(|NonFinite { what, node, .. }| object(&[("what", text(what)), ("node", node.to_string())]));
    let all = [("nodes", array(nodes)), ("steps", array(steps)), ("mark", or_null(mark))];
    // Within a script no text may look as its end.
    object(&all).replace('<', "\\u003c")
}

fn node_data(trace: &Trace<f64>, place: usize, node: &TraceNode<f64>) -> String {
    object(&[
        ("name", text(&node.name)),
        ("bar", text(&trace.adjoint_name(place))),
        ("operation", text(node.operation)),
        ("shape", text(&node.shape.to_string())),
        ("inputs", array(node.inputs.iter().map(usize::to_string))),
        ("start", or_null(node.start.map(|start| start.to_string()))),
        ("formula", text(&trace.formula(place))),
        ("numbers", or_null(trace.formula_in_numbers(place).as_deref().map(text))),
        ("value", numbers(&node.value)),
        ("adjoint", or_null(node.adjoint.as_deref().map(numbers))),
        ("reached", node.is_reached.to_string()),
        ("difference", or_null(node.difference.as_deref().map(numbers))),
    ])
}

fn step_data(trace: &Trace<f64>, step: &BackwardStep<f64>) -> String {
    let sent = |sent: &Contribution<f64>| {
        object(&[
            ("input", sent.input.to_string()),
            ("to", sent.to.to_string()),
            ("rule", text(&trace.rule(step, sent))),
            ("numbers", or_null(trace.rule_in_numbers(step, sent).as_deref().map(text))),
            ("added", numbers(&sent.added)),
            ("local", or_null(sent.local.as_deref().map(numbers))),
            ("difference", or_null(sent.difference.as_deref().map(numbers))),
        ])
    };
    object(&[
        ("node", step.node.to_string()),
        ("from", text(&format!("({})", trace.origin(step.node)))),
        ("adjoint", numbers(&step.adjoint)),
        ("sent", array(step.contributions.iter().map(sent))),
    ])
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_owned())
}

/// A string; nothing of a trace holds a control character.
fn text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Numbers with all their digits; JSON has none that are not finite: these are texts that JavaScript reads as numbers.
fn numbers(values: &[f64]) -> String {
    let number = |&value: &f64| match value {
        value if value.is_finite() => format!("{value:?}"),
        value if value.is_nan() => text("NaN"),
        value => text(if value > 0.0 { "Infinity" } else { "-Infinity" }),
    };
    array(values.iter().map(number))
}
