// Which keys of its sequence a query sees{{ ", and what is added to their scores" if bias }}. `place` is the query's, counted from the first.
override behind: u32; // keys before its own that it sees, at most 2^31 - 1
override ahead: u32;  // keys after it; 0 if causal

fn first_seen(place: u32) -> u32 { return place - min(place, behind); }
fn seen_end(place: u32, keys: u32) -> u32 { return min(keys, place + 1u + ahead); }
{% if bias %}

override max_distance: u32; // offsets beyond it have the bias of this one

fn bias_of(head: u32, place: u32, key: u32) -> f32 {
    let offset = max(key + max_distance, place) - place; // from -max_distance on
    return relative_bias[head * (2u * max_distance + 1u) + min(offset, 2u * max_distance)];
}
{% endif %}
