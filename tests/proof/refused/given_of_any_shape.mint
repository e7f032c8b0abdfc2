# error: [E0304] T
mint 1
layer Shift on S given y : T ensures invertible { map x -> 2 * x }
