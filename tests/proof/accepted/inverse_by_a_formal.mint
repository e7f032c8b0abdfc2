# proves: L: direction, diag > 0, invertible
# proves: F: invertible
# class: L: direction, diag in (0, inf)
# class: F: bijection of R^D
# a formal that is called `direction` comes before the option of a use
mint 1
layer L(direction: Dir) on Vec[D] ensures direction, diag > 0, invertible {
  param W : linear direction with diag > 0
  map x -> W(x)
}
flow F on Vec[4] ensures invertible { L(direction = upper) }
