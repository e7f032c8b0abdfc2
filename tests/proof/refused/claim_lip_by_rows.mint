# error: [E0601] lip < 2
# the branch is below 0.9 in the maximum norm, in the 2-norm it may be steeper: 0.9 on 4 inputs of one output gives 1.8
mint 1
layer A on Vec[D] ensures invertible, lip < 2 {
  param V : linear with lip <= 0.9 via rows
  map x -> x + V(x)
}
