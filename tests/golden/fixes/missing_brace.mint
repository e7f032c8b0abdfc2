mint 1
layer A on S { map x -> x
}
layer B on S { map x -> x }
