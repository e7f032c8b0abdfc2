mint 1
layer A on S { map x x }
