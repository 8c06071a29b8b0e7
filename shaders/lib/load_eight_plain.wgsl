// Eight consecutive values of $array, the same for all lanes.
fn load_eight_$array(index: u32, lane: u32) -> Eight {
  return Eight(
    vec4<f32>(f32($array[index]), f32($array[index + 1u]), f32($array[index + 2u]), f32($array[index + 3u])),
    vec4<f32>(f32($array[index + 4u]), f32($array[index + 5u]), f32($array[index + 6u]), f32($array[index + 7u])),
  );
}
