import './base.css';
import './controls.css';
import './status.css';
import './lists.css';
import './table.css';
import './pages.css';
import './forms.css';
import './history.css';
