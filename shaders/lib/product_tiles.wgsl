// How a product of many rows is divided where a workgroup's 8 by 8 threads read both operands from its memory: 32 rows by
// 64 columns, 4 by 8 of them a thread's, 32 terms of each sum at a time. Weights are unpacked once for all 32 rows.
// The including kernel declares `batch` and `row_value`, an operand with a row for each token.
const TILE_ROWS = 32u;
const TILE_COLUMNS = 64u;

// Vectors of four terms; a gap behind each thread's rows puts what neighbours read at once into different banks.
var<workgroup> tile_rows: array<vec4<f32>, TILE_ROWS * 8u + 8u>;
// As the kernel needs them.
var<workgroup> tile_weights: array<vec4<f32>, TILE_COLUMNS * 8u + 8u>;

fn first_row(workgroup: vec3<u32>, thread: u32) -> u32 {
  return workgroup.y * TILE_ROWS + thread / 8u * ROWS;
}

fn first_column(workgroup: vec3<u32>, thread: u32) -> u32 {
  return workgroup.x * TILE_COLUMNS + thread % 8u * 8u;
}

fn tile_row(row: u32) -> u32 {
  return row * 8u + row / ROWS;
}

// Terms `start` to `start + 31` of the workgroup's rows, which have `length` terms each.
fn load_rows(workgroup: vec3<u32>, thread: u32, start: u32, length: u32) {
  for (var i = thread; i < TILE_ROWS * 8u; i += WORKGROUP) {
    let row = i / 8u;
    let token = min(workgroup.y * TILE_ROWS + row, batch.tokens - 1u);
    let at = token * length + start + i % 8u * 4u;
    tile_rows[tile_row(row) + i % 8u] =
      vec4<f32>(row_value(at), row_value(at + 1u), row_value(at + 2u), row_value(at + 3u));
  }
}
