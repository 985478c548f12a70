// What the back button brings from the browser's memory is judged anew, after a sign-out for one; until then it is hidden.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) {
    document.documentElement.style.visibility = "hidden";
    location.reload();
  }
});
