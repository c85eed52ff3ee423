//! The part of an archive that a question needs, as columns, divided by unit.
//!
//! All events of a unit are in one bucket. Statements run over a few buckets at a time, so that memory is bounded however large the
//! archive is; beyond a limit the buckets themselves are kept in temporary files.

use super::decode::{About, Relevant};
use crate::Extract;
use datafusion::arrow::array::{
    ArrayRef, Decimal128Builder, DictionaryArray, Int8Array, Int32Builder, Int64Builder, RecordBatch,
    StringArray, StringBuilder, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// The number of buckets. Many, because the largest archive must fit when a few are read at a time; few, because each has files and builders.
const BUCKETS: usize = 64;
/// The number of rows that a builder takes before they become a batch.
const BATCH_ROWS: usize = 4096;
/// The number of rows that a statement runs over at a time, if one bucket has not more.
const PART_ROWS: usize = 400_000;

const EXPOSURE: usize = 0;
const CONVERSION: usize = 1;

/// Columns of one bucket that are being filled.
struct Builder {
    identity: Decimal128Builder,
    unit: Decimal128Builder,
    t: Int64Builder,
    arrived: Int64Builder,
    details: Details,
    rows: usize,
}

enum Details {
    Exposure { variant: StringBuilder, revision: Int64Builder, dimension: StringBuilder },
    Conversion { event: Int32Builder, amounts: Vec<Decimal128Builder> },
}

/// The columns that one thread fills.
pub(super) struct Builders<'s> {
    store: &'s Store,
    builders: Vec<[Builder; 2]>,
}

/// The batches of one bucket, by kind of event.
#[derive(Default)]
struct Bucket {
    kinds: [Kind; 2],
    rows: usize,
}

#[derive(Default)]
struct Kind {
    batches: Vec<RecordBatch>,
    file: Option<(PathBuf, StreamWriter<BufWriter<File>>)>,
}

/// Events, divided by unit.
pub(super) struct Store {
    schemas: [SchemaRef; 2],
    buckets: Vec<Mutex<Bucket>>,
    bytes: AtomicUsize,
    limit: usize,
    /// Removed with the store.
    folder: Mutex<Option<TempDir>>,
    properties: usize,
}

fn unit_type() -> DataType {
    DataType::Decimal128(38, 0)
}

fn amount_type() -> DataType {
    DataType::Decimal128(22, 6)
}

fn kind_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
}

fn schema(fields: Vec<(String, DataType, bool)>) -> SchemaRef {
    let fields = fields.into_iter().map(|(name, kind, is_nullable)| Field::new(name, kind, is_nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn common() -> Vec<(String, DataType, bool)> {
    vec![
        ("identity".to_owned(), unit_type(), false),
        ("unit".to_owned(), unit_type(), false),
        ("t".to_owned(), DataType::Int64, false),
        ("arrived".to_owned(), DataType::Int64, false),
    ]
}

impl Builder {
    fn new(kind: usize, properties: usize) -> Self {
        let decimal = |kind: DataType| Decimal128Builder::new().with_data_type(kind);
        let details = if kind == EXPOSURE {
            Details::Exposure {
                variant: StringBuilder::new(),
                revision: Int64Builder::new(),
                dimension: StringBuilder::new(),
            }
        } else {
            let amounts = (0..properties).map(|_| decimal(amount_type()));
            Details::Conversion { event: Int32Builder::new(), amounts: amounts.collect() }
        };
        Self {
            identity: decimal(unit_type()),
            unit: decimal(unit_type()),
            t: Int64Builder::new(),
            arrived: Int64Builder::new(),
            details,
            rows: 0,
        }
    }

    fn finish(&mut self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.identity.finish()),
            Arc::new(self.unit.finish()),
            Arc::new(self.t.finish()),
            Arc::new(self.arrived.finish()),
        ];
        match &mut self.details {
            Details::Exposure { variant, revision, dimension } => {
                columns.push(Arc::new(variant.finish()));
                columns.push(Arc::new(revision.finish()));
                columns.push(Arc::new(dimension.finish()));
            }
            Details::Conversion { event, amounts } => {
                columns.push(Arc::new(event.finish()));
                columns.extend(amounts.iter_mut().map(|it| Arc::new(it.finish()) as ArrayRef));
            }
        }
        RecordBatch::try_new(schema.clone(), columns)
    }
}

impl Builders<'_> {
    pub(super) fn add(
        &mut self,
        event: &Relevant<'_>,
        t: i64,
        arrived: i64,
        amounts: &[Option<i128>],
    ) -> Result<(), ArrowError> {
        let at = usize::try_from(event.unit.rem_euclid(BUCKETS as i128)).unwrap_or_default();
        let kind = if matches!(event.about, About::Exposure { .. }) { EXPOSURE } else { CONVERSION };
        let Some(builder) = self.builders.get_mut(at).and_then(|it| it.get_mut(kind)) else { return Ok(()) };
        builder.identity.append_value(event.identity);
        builder.unit.append_value(event.unit);
        builder.t.append_value(t);
        builder.arrived.append_value(arrived);
        match (&mut builder.details, &event.about) {
            (
                Details::Exposure { variant, revision, dimension },
                About::Exposure { variant: variant_of, revision: revision_of, dimension: dimension_of },
            ) => {
                variant.append_value(variant_of);
                revision.append_option(*revision_of);
                dimension.append_option(dimension_of.as_deref());
            }
            (Details::Conversion { event, amounts: builders }, About::Conversion { event: event_of }) => {
                event.append_value(*event_of);
                builders.iter_mut().zip(amounts).for_each(|(builder, amount)| builder.append_option(*amount));
            }
            _ => {}
        }
        builder.rows += 1;
        if builder.rows >= BATCH_ROWS {
            self.flush(at, kind)?;
        }
        Ok(())
    }

    fn flush(&mut self, at: usize, kind: usize) -> Result<(), ArrowError> {
        let Some(builder) = self.builders.get_mut(at).and_then(|it| it.get_mut(kind)) else { return Ok(()) };
        let Some(schema) = self.store.schemas.get(kind) else { return Ok(()) };
        if builder.rows == 0 { Ok(()) } else { self.store.push(at, kind, builder.finish(schema)?) }
    }

    /// Hands over what is left.
    pub(super) fn finish(mut self) -> Result<(), ArrowError> {
        (0..BUCKETS)
            .try_for_each(|at| [EXPOSURE, CONVERSION].into_iter().try_for_each(|kind| self.flush(at, kind)))
    }
}

impl Store {
    /// A store that keeps batches in memory up to so many bytes.
    pub(super) fn new(extract: &Extract, limit: usize) -> Self {
        let mut exposure = common();
        exposure.push(("variant".to_owned(), DataType::Utf8, false));
        exposure.push(("revision".to_owned(), DataType::Int64, true));
        exposure.push(("dimension".to_owned(), DataType::Utf8, true));
        let mut conversion = common();
        conversion.push(("event".to_owned(), DataType::Int32, false));
        let properties = extract.properties.len();
        conversion.extend((0..properties).map(|at| (format!("p{at}"), amount_type(), true)));
        Self {
            schemas: [schema(exposure), schema(conversion)],
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            bytes: AtomicUsize::new(0),
            limit,
            folder: Mutex::default(),
            properties,
        }
    }

    pub(super) fn builders(&self) -> Builders<'_> {
        let both = || [Builder::new(EXPOSURE, self.properties), Builder::new(CONVERSION, self.properties)];
        Builders { store: self, builders: (0..BUCKETS).map(|_| both()).collect() }
    }

    fn push(&self, at: usize, kind: usize, batch: RecordBatch) -> Result<(), ArrowError> {
        let Some(bucket) = self.buckets.get(at) else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.rows += batch.num_rows();
        let size = batch.get_array_memory_size();
        let Some(kept) = bucket.kinds.get_mut(kind) else { return Ok(()) };
        kept.batches.push(batch);
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        if bytes > self.limit { self.spill(at, kind, kept) } else { Ok(()) }
    }

    fn spill(&self, at: usize, kind: usize, kept: &mut Kind) -> Result<(), ArrowError> {
        let batches = std::mem::take(&mut kept.batches);
        if kept.file.is_none() {
            let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
            if folder.is_none() {
                *folder = Some(tempfile::tempdir()?);
            }
            let path = folder.as_ref().map(|it| it.path().join(format!("{at}-{kind}"))).unwrap_or_default();
            let Some(schema) = self.schemas.get(kind) else { return Ok(()) };
            let file = BufWriter::with_capacity(64 * 1024, File::create_new(&path)?);
            kept.file = Some((path, StreamWriter::try_new(file, schema)?));
        }
        let Some((_, file)) = &mut kept.file else { return Ok(()) };
        for batch in batches {
            file.write(&batch)?;
            self.bytes.fetch_sub(batch.get_array_memory_size(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Ends the files, after the last row.
    pub(super) fn seal(&self) -> Result<(), ArrowError> {
        for bucket in &self.buckets {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, file) in bucket.kinds.iter_mut().filter_map(|it| it.file.as_mut()) {
                file.finish()?;
            }
        }
        Ok(())
    }

    /// The buckets, together where they are small.
    pub(super) fn parts(&self) -> Vec<Vec<usize>> {
        let (mut parts, mut part, mut rows) = (Vec::new(), Vec::new(), 0);
        for (at, bucket) in self.buckets.iter().enumerate() {
            let added = bucket.lock().unwrap_or_else(PoisonError::into_inner).rows;
            if added == 0 {
                continue;
            }
            if rows + added > PART_ROWS && rows > 0 {
                parts.push(std::mem::take(&mut part));
                rows = 0;
            }
            part.push(at);
            rows += added;
        }
        if !part.is_empty() {
            parts.push(part);
        }
        parts
    }

    /// The columns of the relation `archive`.
    pub(super) fn schema(&self) -> SchemaRef {
        let mut fields = vec![("kind".to_owned(), kind_type(), false)];
        fields.extend(common());
        fields.push(("event".to_owned(), DataType::Int32, true));
        fields.push(("variant".to_owned(), DataType::Utf8, true));
        fields.push(("revision".to_owned(), DataType::Int64, true));
        fields.push(("dimension".to_owned(), DataType::Utf8, true));
        fields.extend((0..self.properties).map(|at| (format!("p{at}"), amount_type(), true)));
        schema(fields)
    }

    /// The rows of some buckets.
    pub(super) fn read(&self, part: &[usize]) -> Result<Vec<RecordBatch>, ArrowError> {
        let schema = self.schema();
        let mut read = Vec::new();
        for bucket in part.iter().filter_map(|at| self.buckets.get(*at)) {
            let bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            for (kind, kept) in bucket.kinds.iter().enumerate() {
                if let Some((path, _)) = &kept.file {
                    for batch in StreamReader::try_new(BufReader::new(File::open(path)?), None)? {
                        read.push(widen(&batch?, kind, &schema)?);
                    }
                }
                for batch in &kept.batches {
                    read.push(widen(batch, kind, &schema)?);
                }
            }
        }
        Ok(read)
    }
}

/// Adds the columns that the other kind of event has, and the kind.
fn widen(batch: &RecordBatch, kind: usize, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => Ok(Arc::clone(column)),
        None if field.name() == "kind" => {
            let keys = Int8Array::from(vec![i8::from(kind == CONVERSION); rows]);
            let names = Arc::new(StringArray::from(vec!["exposure", "conversion"]));
            Ok(Arc::new(DictionaryArray::<Int8Type>::try_new(keys, names)?) as ArrayRef)
        }
        None => Ok(new_null_array(field.data_type(), rows)),
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, ArrowError>>()?)
}
