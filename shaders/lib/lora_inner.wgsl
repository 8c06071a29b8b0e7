// Index into XA [T, PARTS·RANK] of the first rank of a column's part. Neighbouring columns lie in one part of a stack, since
// parts are multiples of 32.
fn lora_inner(row: u32, column: u32) -> u32 {
  let part = u32(column >= PART_END_0) + u32(column >= PART_END_1);
  return (row * PARTS + part) * RANK;
}
