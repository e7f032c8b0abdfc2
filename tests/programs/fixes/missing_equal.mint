mint 1
const K 3
layer A on S { map x -> K * x }
