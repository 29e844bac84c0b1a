//! SemEval-2016 task 6, the stance of tweets toward a target, as a tab-separated table.

use super::collect::{Collector, Draft};
use super::table::{Dialect, Table};
use super::{GoldLabels, GoldSource, unknown};
use crate::error::Result;
use standpoint_core::hash::Digest;
use standpoint_core::label::Stance;

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let table = Table::open(&source.path, Dialect::Tsv, digest)?;
    let id = table.column(&["ID"])?;
    let target = table.column(&["Target"])?;
    let tweet = table.column(&["Tweet"])?;
    let stance = table.column(&["Stance"])?;
    table.rows(|at, row| {
        let found = match row.cell(stance).trim() {
            "FAVOR" => Stance::Favor,
            "AGAINST" => Stance::Against,
            "NONE" => Stance::None,
            other => return Err(unknown("Stance", other, &["FAVOR", "AGAINST", "NONE"])),
        };
        let labels = GoldLabels { stance: Some(found), ..GoldLabels::default() };
        let own = Some(row.cell(target).to_owned());
        let draft = Draft::whole(row.cell(id).to_owned(), own, row.cell(tweet).to_owned(), labels);
        collector.add(at, draft.with_fields(row.fields(&[id, target, tweet, stance])))
    })
}
