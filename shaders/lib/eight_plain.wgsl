// Eight consecutive values of `operand`, which the including kernel declares; for devices without subgroups.
struct Lane {
  @builtin(local_invocation_index) index: u32,
}

struct Eight {
  low: vec4<f32>,
  high: vec4<f32>,
}

fn load_eight(index: u32, lane: u32) -> Eight {
  return Eight(
    vec4<f32>(operand(index), operand(index + 1u), operand(index + 2u), operand(index + 3u)),
    vec4<f32>(operand(index + 4u), operand(index + 5u), operand(index + 6u), operand(index + 7u)),
  );
}
