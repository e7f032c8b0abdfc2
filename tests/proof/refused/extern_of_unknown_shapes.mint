# error: [E0201] T
mint 1
extern net N from S to T
