// XA[T, OUT] = X[T, IN] · Aᵀ, A[OUT, IN] in f32, OUT = PARTS·RANK: the LoRAs' inner products. A thread computes 8 rows
// of one column. Overwrites.
@group(0) @binding(0) var<storage, read> x: array<Activation>;
@group(0) @binding(1) var<storage, read> lora_a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> xa: array<f32>;
@group(0) @binding(3) var<uniform> batch: Batch;

fn store(row: u32, column: u32, value: f32) {
  if (row < batch.tokens && column < OUT) {
    xa[row * OUT + column] = value;
  }
}

fn inner(index: u32, lane: u32, low: vec4<f32>, high: vec4<f32>) -> f32 {
  let values = load_eight_x(index, lane);
  return dot(values.low, low) + dot(values.high, high);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let column = workgroup.x * WORKGROUP + local.x;
  let row = workgroup.y * 8u;
  let a = min(column, OUT - 1u) * (IN / 4u);
  var sum_0 = vec4<f32>();
  var sum_1 = vec4<f32>();
  for (var k = 0u; k < IN; k += 8u) {
    let low = lora_a[a + k / 4u];
    let high = lora_a[a + k / 4u + 1u];
    let index = row * IN + k;
    sum_0 += vec4<f32>(
      inner(index, lane.index, low, high),
      inner(index + IN, lane.index, low, high),
      inner(index + 2u * IN, lane.index, low, high),
      inner(index + 3u * IN, lane.index, low, high),
    );
    sum_1 += vec4<f32>(
      inner(index + 4u * IN, lane.index, low, high),
      inner(index + 5u * IN, lane.index, low, high),
      inner(index + 6u * IN, lane.index, low, high),
      inner(index + 7u * IN, lane.index, low, high),
    );
  }
  for (var i = 0u; i < 4u; i++) {
    store(row + i, column, sum_0[i]);
    store(row + 4u + i, column, sum_1[i]);
  }
}
