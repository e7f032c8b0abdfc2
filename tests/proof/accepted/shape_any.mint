# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
# proves: G: invertible
# class: G: bijection of R^D
mint 1
layer A on S ensures diag > 0, invertible {
  param s : scale (per = channel) with diag > 0
  param b : bias (per = channel)
  map x -> s * (x + b)
}
flow F on Image[2, 4, 4] ensures invertible { A  squeeze 2  A }
flow G on Seq[5, 3] ensures invertible { A }
