// dXB[T, PARTS·RANK] = dY[T, OUT] · B, each part with its own rows of B[OUT, RANK]. A thread sums one part of one row.
// Overwrites.
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> lora_b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dxb: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> batch: Batch;

const QUADS = RANK / 4u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  // Neighbouring threads take neighbouring quads of the rank, then parts, then rows.
  let quad = id.x % QUADS;
  let part = id.x / QUADS % PARTS;
  let row = id.x / (QUADS * PARTS);
  if (row >= batch.tokens) {
    return;
  }
  let start = select(select(PART_END_1, PART_END_0, part == 1u), 0u, part == 0u);
  let end = select(select(OUT, PART_END_1, part == 1u), PART_END_0, part == 0u);
  var sum = vec4<f32>();
  for (var o = start; o < end; o++) {
    sum += dy[row * OUT + o] * lora_b[o * QUADS + quad];
  }
  dxb[id.x] = sum;
}
