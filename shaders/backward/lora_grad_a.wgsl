// dA[INNER, IN] += s·dXBᵀ·X. A thread sums eight rows of one column over all tokens.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dxb: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_a: array<f32>;
@group(0) @binding(3) var<uniform> lora: Lora;
@group(0) @binding(4) var<uniform> batch: Batch;

fn add(row: u32, column: u32, sum: vec4<f32>) {
  for (var i = 0u; i < 4u; i++) {
    grad_a[(row + i) * IN + column] += lora.scale * sum[i];
  }
}

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  let column = workgroup.x * 32u + local.x;
  let row = workgroup.y * 8u;
  var low = vec4<f32>();
  var high = vec4<f32>();
  for (var t = 0u; t < batch.tokens; t++) {
    let value = x[t * IN + column];
    let inner = load_eight_dxb(t * INNER + row, lane.index);
    low += value * inner.low;
    high += value * inner.high;
  }
  add(row, column, low);
  // Eight rows may be more than there are.
  if (row + 4u < INNER) {
    add(row + 4u, column, high);
  }
}
