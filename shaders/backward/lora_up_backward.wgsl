// dXB[T, PARTS·RANK] = dY[T, OUT] · B, each part with its own rows of B[OUT, RANK]. A thread sums eight ranks of one part of
// one row. Overwrites.
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> lora_b: array<f32>;
@group(0) @binding(2) var<storage, read_write> dxb: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> batch: Batch;

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let row = workgroup.x * 32u + local.x;
  let part = workgroup.y;
  let rank = workgroup.z * 8u;
  let start = select(select(PART_END_1, PART_END_0, part == 1u), 0u, part == 0u);
  let end = select(select(OUT, PART_END_1, part == 1u), PART_END_0, part == 0u);
  let source = min(row, batch.tokens - 1u) * OUT;
  var low = vec4<f32>();
  var high = vec4<f32>();
  for (var o = start; o < end; o++) {
    let value = dy[source + o];
    let ranks = load_eight_lora_b(o * RANK + rank, lane.index);
    low += value * ranks.low;
    high += value * ranks.high;
  }
  if (row >= batch.tokens) {
    return;
  }
  let index = ((row * PARTS + part) * RANK + rank) / 4u;
  dxb[index] = low;
  // Eight ranks may be more than there are.
  if (rank + 4u < RANK) {
    dxb[index + 1u] = high;
  }
}
