# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
# proves: B: diag > 0, invertible
# class: B: diagonal, diag in (0, inf)
# proves: C: diag != 0, invertible
# class: C: diagonal, diag in sign(s) * (0, inf)
# proves: D: diag == 1, volume_preserving
# class: D: diagonal, diag in [1, 1]
# proves: E: diag > 0, invertible
# class: E: diagonal, diag in (0, 100]
# proves: F: invertible
# class: F: bijection of R^D
# What data decide changes no proof: it holds for every value that the constraint lets through.
mint 1
layer A on S ensures diag > 0, invertible {
  param s : scale (per = channel) with diag > 0 via exp init from_data
  param b : bias init from_data
  map x -> (x + b) * s
}
layer B on S ensures diag > 0, invertible {
  param s : scale with diag > 0 init from_data
  param b : bias init from_data
  map x {
    let u = s * x
    return b + u
  }
}
layer C on S ensures diag != 0, invertible {
  param s : scale with diag != 0 init from_data
  map x -> x * s
}
layer D on S ensures diag == 1, volume_preserving {
  param b : bias (per = element) init from_data
  map x -> x + b
}
layer E on S ensures diag > 0, invertible {
  param m : bias init from_data
  param s : scale with diag >= 0.01 init from_data
  map x -> (x - m) / s
}
flow F on Image[1, 4, 4] ensures invertible {
  standardize(mean = data, std = data)
  repeat 2 { A  standardize(mean = data, std = data)  B  C }
  squeeze 2  D  E
  prior learned_normal(per = element)
}
