"""Side-by-side measurements against peers, each one command. They print a table and keep it in results/."""
