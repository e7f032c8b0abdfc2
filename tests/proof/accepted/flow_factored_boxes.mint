# proves: Squash: diag > 0, injective
# class: Squash: diagonal, diag in (0, 0.25]
# proves: Moved: invertible, volume_preserving, lip <= 1
# class: Moved: bijection of R^D
# proves: One: injective
# class: One: bijection of (-inf, inf)^D onto (0, 1)^D
# proves: Both: injective
# class: Both: injective only: every element's image is (0, 1), not all of R
# proves: Small: injective
# class: Small: injective only: a part leaves for all of (-0.0555556, 1.05556), the rest ends in (-inf, inf)
# proves: Scaled: invertible, lip < 2.1, inverse closed_form
# class: Scaled: bijection of R^D
# proves: Pad: injective, log_det none
# class: Pad: injective only: `pad` appends 2 channels that are always 0
# proves: Keep: diag > 0, invertible
# class: Keep: diagonal, diag in [2, 2]
mint 1
layer Squash on S ensures diag > 0, injective { map x -> sigmoid(x) }
flow Moved on Seq[3, 4] ensures invertible, volume_preserving, lip <= 1 { factor half  factor half (keep = second) }
flow One on Vec[4] ensures injective { Squash  factor half }
flow Both on Vec[4] ensures injective { Squash  factor half  standardize(mean = 0.5, std = 1) }
flow Small on Vec[8] ensures injective { factor half  factor half (keep = second)  logit(0.05) }
flow Scaled on Image[2, 2, 2] ensures invertible, lip < 2.1, inverse closed_form {
  standardize(mean = 0, std = 0.5)  factor half  standardize(mean = 0, std = 4)
}
flow Pad on Image[2, 2, 2] ensures injective, log_det none { factor half  pad channels to 3  Keep }
layer Keep on S ensures diag > 0, invertible { map x -> 2 * x }
