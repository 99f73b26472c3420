"""Public data sets as downloaded, brought into the layout of annotated cases; one file a set, `table` lists them."""
