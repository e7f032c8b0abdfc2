# a context has any value, 0 too
# error: [E0401] y
mint 1
layer Scale on S given y : S ensures diag > 0, invertible { map x -> x * y }
