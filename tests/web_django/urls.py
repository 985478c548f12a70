"""Routes of the project; tests add their own."""

urlpatterns = []
