// dB[OUT, RANK] += s·dYᵀ·XA of the column's part. A thread sums eight ranks of one row of B over all tokens.
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> xa: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_b: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> lora: Lora;
@group(0) @binding(4) var<uniform> batch: Batch;

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // Parts are multiples of 32: a workgroup lies in one of them.
  let first = workgroup.x * 32u;
  let o = first + local.x;
  let rank = workgroup.y * 8u;
  let part = u32(first >= PART_END_0) + u32(first >= PART_END_1);
  var low = vec4<f32>();
  var high = vec4<f32>();
  for (var t = 0u; t < batch.tokens; t++) {
    let value = dy[t * OUT + o];
    let ranks = load_eight_xa((t * PARTS + part) * RANK + rank, lane.index);
    low += value * ranks.low;
    high += value * ranks.high;
  }
  let index = (o * RANK + rank) / 4u;
  grad_b[index] += lora.scale * low;
  // Eight ranks may be more than there are.
  if (rank + 4u < RANK) {
    grad_b[index + 1u] += lora.scale * high;
  }
}
