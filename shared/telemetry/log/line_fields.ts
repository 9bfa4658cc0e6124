/** Fields that a JSON line has of itself; a record's own fields of these names are set apart. */
export const LINE_FIELDS = [
  "time",
  "level",
  "file",
  "line",
  "target",
  "message",
  "trace_id",
  "span_id",
  "parent_id",
  "span_name",
] as const;
