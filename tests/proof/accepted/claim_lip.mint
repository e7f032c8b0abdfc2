# slopes of elementwise maps add and multiply: 2 + 1, and 3 * 3 of two steps
# proves: Two: diag >= 1, lip <= 3, invertible
# proves: F: lip < 9.5, invertible, onto
# class: Two: diagonal, diag in (1, 3]
# class: F: bijection of R^D
mint 1
layer Two on Vec[D] ensures diag >= 1, lip <= 3, invertible {
  param s : scale with diag >= 1, diag <= 2
  map x -> s * x + tanh(x)
}
flow F on Vec[3] ensures lip < 9.5, invertible, onto { Two Two }
