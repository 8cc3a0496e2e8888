//! What a training step allocates: packing buffers of the products and boxes of operations with attributes, no more. And what reading
//! a table does.
//!
//! One test a program: the counter sees the whole process.

use std::alloc::System;

use autograd::numerics::Vectors;
use nn::data::{Header, Table, TableOptions};
use nn::model::Nonlinearity;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tests::workloads::{TinyStep, VaeStep};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations(mut step: impl FnMut() -> f64) -> usize {
    (0..2).for_each(|_| _ = step());
    let region = Region::new(ALLOCATOR);
    (0..5).for_each(|_| _ = step());
    let change = region.change();
    assert_eq!(change.allocations, change.deallocations, "memory grows");
    assert_eq!(change.reallocations, 0);
    change.allocations / 5
}

#[test]
fn from_the_third_step_on_a_step_allocates_packing_buffers_and_attributes_only() {
    // One shard: no other thread is involved. Four dense layers are 4 products forward, 4 for dW, and 3 for dX (none for the
    // images); where the processor has the vectors of the product's own tiles, these read their factors where they lie.
    let buffers = if Vectors::in_use() == Vectors::Baseline { 4 + 4 + 3 } else { 0 };
    // Attributes: the bound of log σ.
    let mut w1 = VaeStep::one_layer(Nonlinearity::Relu, 32);
    assert_eq!(allocations(|| w1.step()), buffers + 1);

    // Products with a side of 1 need no packing, and nothing has attributes.
    let mut w6 = TinyStep::new();
    assert_eq!(allocations(|| w6.step()), 0);

    tables_take_at_most_so_much();
}

/// All that is allocated for a table, together, is at most 64 MiB and 100 times its text, however wide it is.
fn tables_take_at_most_so_much() {
    let cells = 3_000_000;
    let empty = ",".repeat(cells - 1);
    for (text, rows) in [
        (empty.clone(), None),
        (empty.clone() + "\n", Some(1)),
        (format!("{empty}\n{empty}\n"), Some(2)),
        ("1,".repeat(cells / 2) + "1", Some(1)),
        (format!("{empty}a\n{empty}1\n"), Some(1)),
        ("\n".repeat(1000) + "\"\"\n\"\"\n", Some(2)),
    ] {
        for header in [Header::Auto, Header::Present, Header::Absent] {
            let options = TableOptions { missing: rows.is_some(), header, ..TableOptions::default() };
            let region = Region::new(ALLOCATOR);
            let table = Table::parse(text.as_bytes(), &options);
            let allocated = region.change().bytes_allocated;
            let (limit, times) = ((64 << 20) + 100 * text.len(), allocated as f64 / text.len() as f64);
            println!("{header:?}, {} bytes: {allocated} allocated, {times:.0} times as much", text.len());
            assert!(
                allocated <= limit,
                "{header:?}, {} bytes: {allocated} allocated, {times} times as much",
                text.len()
            );
            if header == Header::Auto {
                assert_eq!(table.ok().map(|table| table.values.rows), rows);
            }
        }
    }
}
