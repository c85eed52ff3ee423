//! Running sums of sorted rows, in place of the engine's own operator for windows.
//!
//! A window of the statements has a part for each unit and metric, most of one or two rows. The operator of DataFusion keeps a state for each
//! part, which takes several times as long as all the rest of a statement; a running sum over rows that are sorted needs the row before.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, SchemaRef};
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PhysicalExpr, PlanProperties,
};
use futures_util::StreamExt;
use std::fmt;
use std::sync::Arc;

/// Puts [`RunningSums`] where windows are nothing but running sums of decimals over sorted rows.
#[derive(Debug)]
pub(super) struct UseRunningSums;

impl PhysicalOptimizerRule for UseRunningSums {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<BoundedWindowAggExec>() {
            Some(window) if is_running_sums(window) => {
                let replaced: Arc<dyn ExecutionPlan> = Arc::new(RunningSums { window: Arc::clone(&plan) });
                Ok(Transformed::yes(replaced))
            }
            _ => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "use_running_sums"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn is_running_sums(window: &BoundedWindowAggExec) -> bool {
    let parts = window.window_expr().first().map(|it| it.partition_by().to_vec()).unwrap_or_default();
    let is_sorted = matches!(window.input_order_mode, InputOrderMode::Sorted);
    is_sorted
        && window.window_expr().iter().all(|expression| {
            let frame = expression.get_window_frame();
            let is_running = frame.units == WindowFrameUnits::Rows
                && frame.start_bound.is_unbounded()
                && frame.end_bound == WindowFrameBound::CurrentRow;
            let is_decimal =
                expression.field().is_ok_and(|it| matches!(it.data_type(), DataType::Decimal128(_, 6)));
            let arguments = expression.expressions();
            is_running
                && is_decimal
                && arguments.len() == 1
                && expression.name().starts_with("sum(")
                && !expression.name().contains("FILTER")
                && expression.partition_by() == parts.as_slice()
        })
}

/// Running sums of decimals: the rows of its input, with a sum for each window.
#[derive(Debug)]
struct RunningSums {
    /// The operator that it stands for, which has the same input and the same output.
    window: Arc<dyn ExecutionPlan>,
}

impl RunningSums {
    fn window(&self) -> Result<&BoundedWindowAggExec> {
        let window = self.window.downcast_ref::<BoundedWindowAggExec>();
        window.ok_or_else(|| DataFusionError::Internal("not an operator of windows".to_owned()))
    }
}

impl DisplayAs for RunningSums {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningSums")
    }
}

impl ExecutionPlan for RunningSums {
    fn name(&self) -> &'static str {
        "RunningSums"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.window.properties()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.window.input_distribution_requirements()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.window.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.window.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let window = Arc::clone(&self.window).replace_children(children, options)?;
        Ok(Arc::new(Self { window }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let window = self.window()?;
        let (input, schema) = (window.input().execute(partition, context)?, self.window.schema());
        let parts = window.window_expr().first().map(|it| it.partition_by().to_vec()).unwrap_or_default();
        let types = parts.iter().map(|it| Ok(SortField::new(it.data_type(&input.schema())?)));
        let mut sums = Sums {
            converter: RowConverter::new(types.collect::<Result<_>>()?)?,
            parts,
            values: window
                .window_expr()
                .iter()
                .filter_map(|it| it.expressions().into_iter().next())
                .collect(),
            schema: Arc::clone(&schema),
            latest: None,
        };
        let stream = input.map(move |batch| sums.add(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// The sums of the part of the latest row.
struct Sums {
    parts: Vec<Arc<dyn PhysicalExpr>>,
    converter: RowConverter,
    values: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    /// The part, and its sums; `None` is the sum of no values.
    latest: Option<(OwnedRow, Vec<Option<i128>>)>,
}

impl Sums {
    fn add(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let arrays = |expressions: &[Arc<dyn PhysicalExpr>]| -> Result<Vec<ArrayRef>> {
            expressions.iter().map(|it| it.evaluate(batch)?.into_array(rows)).collect()
        };
        let parts = self.converter.convert_columns(&arrays(&self.parts)?)?;
        let added = batch.num_columns();
        let types = self.schema.fields().iter().skip(added).map(|it| it.data_type());
        let values: Vec<ArrayRef> = arrays(&self.values)?
            .iter()
            .zip(types.clone())
            .map(|(it, kind)| cast(it, kind))
            .collect::<Result<_, _>>()?;
        let values: Vec<&Decimal128Array> =
            values.iter().map(|it| it.as_primitive::<Decimal128Type>()).collect();
        let (mut latest, none) = (self.latest.take(), vec![None; values.len()]);
        let (mut part, mut sums) = match &mut latest {
            Some((part, sums)) => (Some(part.row()), std::mem::take(sums)),
            None => (None, none.clone()),
        };
        let mut columns: Vec<Vec<Option<i128>>> = values.iter().map(|_| Vec::with_capacity(rows)).collect();
        for at in 0..rows {
            let row = parts.row(at);
            if part != Some(row) {
                part = Some(row);
                sums.clone_from(&none);
            }
            for ((sum, value), column) in sums.iter_mut().zip(&values).zip(&mut columns) {
                if value.is_valid(at) {
                    // 38 digits leave room; what does not fit any more is refused when it is squared.
                    *sum = Some(sum.unwrap_or(0).saturating_add(value.value(at)));
                }
                column.push(*sum);
            }
        }
        self.latest = part.map(|it| (it.owned(), sums));
        let columns = columns.into_iter().zip(types).map(|(column, kind)| {
            Arc::new(Decimal128Array::from(column).with_data_type(kind.clone())) as ArrayRef
        });
        let columns = batch.columns().iter().cloned().chain(columns).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}
